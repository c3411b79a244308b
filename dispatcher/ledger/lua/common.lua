-- common.lua: what every script shares. Prepended to each by scripts.py, after
-- the generated tables  KEY (patterns of keys.py), STATE, NAME, RANK, TALLY (states.py),
-- MOVE[event][from] = to (states.py)  and the constants CHUNK, RECORD, SIZES_AT (codec.py),
-- SLOT (delivery.py), SLOT_MS and SLOTS (history.py).
-- ARGV[1] of every script is the time in microseconds, "" for the server's own.
-- The keys a script touches depend on what it reads, so they are built here and
-- not passed as KEYS: the ledger is one primary, never a cluster.

local function key(name, ...) return string.format(KEY[name], ...) end

local NOW_US = tonumber(ARGV[1])
if not NOW_US then
  local time = redis.call('TIME')
  NOW_US = time[1] * 1000000 + time[2]
end
local NOW = math.floor(NOW_US / 1000)

-- A whole number as Redis should store it (Lua would print 1e+15).
local function whole(number) return string.format('%.0f', number) end

-- ---- One run's view of the campaigns: each key is read and written once. ----

-- Numbers, by their default.
local NUMBERS = {
  groups = 0, cursor = 0, gated = 0, gated_units = 0, doubled = 0, served = 0,
  created_at = 0, started_at = 0, ended_at = 0, starts_at = 0, expires_at = 0,
  lanes = 0, group_size = 10, priority = 0, pace = 0, stop_after = 0, error_threshold = 0,
  resumed_at = 0, slow_pace = 0, slow_until = 0,
}
for _, name in pairs(NAME) do NUMBERS[name] = 0 end
for _, name in pairs(TALLY) do NUMBERS[name] = 0 end
local FIELDS = { 'load', 'state', 'reason', 'sender' }
for name in pairs(NUMBERS) do FIELDS[#FIELDS + 1] = name end

local campaigns, opened = {}, {}

-- The campaign with that id, or nil. Assign its fields; flush() stores them.
local function open(id)
  if campaigns[id] ~= nil then return campaigns[id] or nil end
  local values = redis.call('HMGET', key('campaign', id), unpack(FIELDS))
  if not values[1] then campaigns[id] = false return nil end
  local before, now = {}, { id = id, records = {}, dirty = {}, delivery = {}, moved = {} }
  for i, field in ipairs(FIELDS) do
    local default = NUMBERS[field]
    if default then now[field] = tonumber(values[i]) or default
    else now[field] = values[i] or '' end
    before[field] = now[field]
  end
  now.before = before
  campaigns[id] = now
  opened[#opened + 1] = now
  return now
end

local function read_record(raw)
  if not raw then return { state = STATE.pending, attempts = 0, crashes = 0, flags = 0,
                           dropped = 0, serial = 0, gated_at = 0, tail = '' } end
  local r, next = {}, nil
  r.state, r.attempts, r.crashes, r.flags, r.dropped, r.serial, r.gated_at, next =
    struct.unpack(RECORD, raw)
  r.tail = string.sub(raw, next)
  return r
end

-- Reads what is kept of many groups of one campaign, one HMGET a chunk. The kind is
-- the name of the key and of the campaign's table that it goes to.
local function read_many(campaign, kind, groups, read)
  local chunks = {}
  for _, group in ipairs(groups) do
    if not campaign[kind][group] then
      local chunk = math.floor(group / CHUNK)
      chunks[chunk] = chunks[chunk] or {}
      table.insert(chunks[chunk], group)
    end
  end
  for chunk, members in pairs(chunks) do
    local raw = redis.call('HMGET', key(kind, campaign.load, chunk), unpack(members))
    for i, group in ipairs(members) do campaign[kind][group] = read(raw[i]) end
  end
end

local function prefetch(campaign, groups)
  read_many(campaign, 'records', groups, read_record)
end

-- The same for items, each a group of a campaign, or of none that is there any more.
-- Returns the groups by campaign.
local function prefetch_items(items)
  local groups = {}
  for _, item in ipairs(items) do
    if item.campaign then
      groups[item.campaign] = groups[item.campaign] or {}
      table.insert(groups[item.campaign], item.group)
    end
  end
  for campaign, members in pairs(groups) do prefetch(campaign, members) end
  return groups
end

local function record(campaign, group)
  if not campaign.records[group] then prefetch(campaign, { group }) end
  return campaign.records[group]
end

-- The members left out of one send of a group, as a mask. Once left out they stay so:
-- if nobody is now, nobody was before. But what was accepted under an earlier serial has
-- that one's mask.
local function dropped_at(campaign, group, r, serial)
  if r.dropped == 0 and (r.serial <= 1 or r.state ~= STATE.accepted) then return 0 end
  local name = string.format('%d:%d', group, serial)
  return tonumber(redis.call('HGET', key('masks', campaign.load), name) or 0)
end

-- In a cancelled campaign what waits counts as cancelled, touched or not:
-- cancelling is one write, however long the list.
local function standing(campaign, r)
  local waits = r.state == STATE.pending or r.state == STATE.retry
  return (campaign.state == 'cancelled' and waits) and STATE.cancelled or r.state
end

-- ---- Deliveries: three bytes a member of an accepted group, rank and code. ----

local sizes = {}

-- How many members a group has: a byte each, behind the head of its chunk.
local function size_of(campaign, group)
  local name = key('groups', campaign.load, math.floor(group / CHUNK))
  if not sizes[name] then
    sizes[name] = redis.call('GETRANGE', name, SIZES_AT, SIZES_AT + CHUNK - 1)
  end
  return string.byte(sizes[name], group % CHUNK + 1) or 0
end

local function is_dropped(r, member)
  return bit.band(bit.rshift(r.dropped, member), 1) == 1
end

local function read_slots(raw) return raw and { string.byte(raw, 1, -1) } or {} end

local function prefetch_deliveries(campaign, groups)
  read_many(campaign, 'delivery', groups, read_slots)
end

-- A group's bytes, all of them, zeros where no event came so far.
local function slots_of(campaign, group, size)
  local slots = campaign.delivery[group]
  for at = #slots + 1, size * SLOT do slots[at] = 0 end
  return slots
end

-- Moves a member up to a rank; nothing when it stands there or higher already, so
-- that order and repetition do not matter.
local function advance(campaign, group, r, member, rank, high, low)
  local slots, at = campaign.delivery[group], member * SLOT + 1
  local before = slots[at]
  if rank <= before then return false end
  slots[at], slots[at + 1], slots[at + 2] = rank, high, low
  campaign.moved[group] = slots
  -- Nothing was expected of a dropped member.
  if before > 0 or not is_dropped(r, member) then
    campaign[TALLY[before]] = campaign[TALLY[before]] - 1
  end
  campaign[TALLY[rank]] = campaign[TALLY[rank]] + 1
  return true
end

-- Moves a group by an event. The callers ask for legal moves only; if one ever
-- does not, the script stops here and no record or counter of the run is written.
local function move(campaign, group, r, event)
  local from = standing(campaign, r)
  local to = MOVE[event][from]
  if not to then
    error('ILLEGAL ' .. event .. ' of a group that is ' .. (NAME[from] or from))
  end
  campaign[NAME[from]] = campaign[NAME[from]] - 1
  campaign[NAME[to]] = campaign[NAME[to]] + 1
  r.state = to
  campaign.dirty[group] = r
end

-- More units than anybody will ever be served: what one step of priority weighs.
local PRIORITY = 1e12

-- A waiting campaign's turn: highest priority first, then least units served.
local function turn(campaign) return campaign.served - campaign.priority * PRIORITY end

local function make_ready(campaign)
  redis.call('ZREM', KEY.later, campaign.id)
  redis.call('ZADD', KEY.ready, whole(turn(campaign)), campaign.id)
end

local function make_later(campaign, at)
  redis.call('ZREM', KEY.ready, campaign.id)
  redis.call('ZADD', KEY.later, whole(at), campaign.id)
end

local function make_idle(campaign)
  redis.call('ZREM', KEY.ready, campaign.id)
  redis.call('ZREM', KEY.later, campaign.id)
end

-- A campaign that newly asks for its turn starts beside the one of its priority
-- that was served least. At zero it would starve the others until it had caught
-- up; far ahead of them it would starve itself.
local function join(campaign)
  if redis.call('ZSCORE', KEY.ready, campaign.id) then return end
  local zero = -campaign.priority * PRIORITY
  local first = redis.call('ZRANGEBYSCORE', KEY.ready, whole(zero),
                           '(' .. whole(zero + PRIORITY), 'WITHSCORES', 'LIMIT', 0, 1)
  if first[2] then campaign.served = tonumber(first[2]) - zero end
  make_ready(campaign)
end

-- Puts a group back into the queue of its campaign.
local function queue(campaign, group, at)
  redis.call('ZADD', key('due', campaign.load), whole(at), group)
  campaign.wake_at = math.min(campaign.wake_at or at, at)
end

-- The end, for good: what still waits counts as cancelled from now on.
local function cancel(campaign, reason)
  campaign.cancelled = campaign.cancelled + campaign.pending + campaign.retry
  campaign.pending, campaign.retry = 0, 0
  campaign.state, campaign.reason, campaign.ended_at = 'cancelled', reason, NOW
  make_idle(campaign)
  redis.call('UNLINK', key('due', campaign.load))
  redis.call('HDEL', KEY.buckets, 'campaign:' .. campaign.id)
end

-- ---- Lanes: runs of groups with the same sending hours; see dispatcher/hours.py. ----

local DAY_MS = 24 * 60 * 60 * 1000
-- A rule whose zones never open together (none is stored) is looked at once a day.
local OPENING_STEPS = 200

-- "opens closes;from:ahead,from:ahead;..." in ms; nil for a lane without hours.
local function read_hours(text)
  if text == '' then return nil end
  local head, rest = string.match(text, '^([^;]*);(.*)$')
  local opens, closes = string.match(head, '^(%d+) (%d+)$')
  local hours = { opens = tonumber(opens), closes = tonumber(closes), zones = {} }
  for zone in string.gmatch(rest, '[^;]+') do
    local timeline = {}
    for since, ahead in string.gmatch(zone, '(%d+):(-?%d+)') do
      timeline[#timeline + 1] = { since = tonumber(since), ahead = tonumber(ahead) }
    end
    hours.zones[#hours.zones + 1] = timeline
  end
  return hours
end

-- By how much a zone's clock is ahead of UTC at a time, and when that changes next.
local function clock_of(timeline, at)
  local ahead = timeline[1].ahead
  for _, change in ipairs(timeline) do
    if change.since > at then return ahead, change.since end
    ahead = change.ahead
  end
  return ahead, math.huge
end

local function next_opening(hours, timeline, at)
  local ahead, change = clock_of(timeline, at)
  local clock = (at + ahead) % DAY_MS
  if (clock - hours.opens) % DAY_MS < (hours.closes - hours.opens) % DAY_MS then return at end
  return math.min(at + (hours.opens - clock) % DAY_MS, change)
end

local function find_opening(hours)
  local at = NOW
  for _ = 1, OPENING_STEPS do
    local later = at
    for _, timeline in ipairs(hours.zones) do
      later = math.max(later, next_opening(hours, timeline, at))
    end
    if later == at then return at - NOW end
    at = later
  end
  return DAY_MS
end

-- Milliseconds until all zones of a lane are open; 0 when they are.
local function opens_in(hours)
  if not hours then return 0 end
  if not hours.wait then hours.wait = find_opening(hours) end
  return hours.wait
end

-- Milliseconds until the first zone closes; of a lane that is open.
local function closes_in(hours)
  local left = math.huge
  for _, timeline in ipairs(hours and hours.zones or {}) do
    local ahead, change = clock_of(timeline, NOW)
    left = math.min(left, (hours.closes - NOW - ahead) % DAY_MS, change - NOW)
  end
  return left
end

-- The lanes of a campaign, in order. One of all groups for one without hours, whose
-- cursor is the campaign's own.
local function lanes_of(campaign)
  if campaign.lane_list then return campaign.lane_list end
  local list = {}
  if campaign.lanes == 0 then
    list[1] = { first = 0, last = campaign.groups, cursor = campaign.cursor }
  else
    local raw = redis.call('HGETALL', key('lanes', campaign.load))
    local stored = {}
    for at = 1, #raw, 2 do stored[raw[at]] = raw[at + 1] end
    for place = 0, campaign.lanes - 1 do
      local first, last, rule = string.match(stored[tostring(place)], '^(%d+) (%d+) (.*)$')
      local cursor = tonumber(stored[place .. ':at'] or first)
      list[place + 1] = {
        place = place, first = tonumber(first), last = tonumber(last),
        cursor = cursor, stored = cursor, hours = read_hours(rule),
      }
    end
  end
  campaign.lane_list = list
  return list
end

-- Milliseconds until some fresh group may go by its people's clocks; huge if there is
-- none.
local function fresh_wait(campaign)
  local wait = math.huge
  for _, lane in ipairs(lanes_of(campaign)) do
    if lane.cursor < lane.last then wait = math.min(wait, opens_in(lane.hours)) end
  end
  return wait
end

-- Milliseconds until a group may be sent by its people's clocks.
local function out_of_hours_ms(campaign, group)
  if campaign.lanes == 0 then return 0 end
  for _, lane in ipairs(lanes_of(campaign)) do
    if group < lane.last then return opens_in(lane.hours) end
  end
  return 0
end

local function store_cursors(campaign)
  if campaign.lanes == 0 then return end
  for _, lane in ipairs(campaign.lane_list or {}) do
    if lane.cursor ~= lane.stored then
      redis.call('HSET', key('lanes', campaign.load), lane.place .. ':at', whole(lane.cursor))
    end
  end
end

local function is_open(campaign)
  return campaign.pending + campaign.claimed + campaign.sending + campaign.retry
    + campaign.unknown > 0
end

-- Running and nothing open: done. Done and something open again: running.
local function conclude(campaign)
  if campaign.state == 'running' or campaign.state == 'paused' then
    if not is_open(campaign) then
      campaign.state, campaign.reason, campaign.ended_at = 'done', '', NOW
      make_idle(campaign)
    end
  elseif campaign.state == 'done' and is_open(campaign) then
    campaign.state, campaign.ended_at = 'running', 0
  end
  if campaign.wake_at and campaign.state == 'running' then
    if campaign.wake_at <= NOW then join(campaign)
    elseif not redis.call('ZSCORE', KEY.ready, campaign.id) then
      redis.call('ZADD', KEY.later, 'LT', whole(campaign.wake_at), campaign.id)
    end
  end
end

local function pack_record(r)
  return struct.pack(RECORD, r.state, r.attempts, r.crashes, r.flags, r.dropped,
                     r.serial, r.gated_at) .. r.tail
end

local function pack_slots(slots) return string.char(unpack(slots)) end

-- Undoes read_many, for what changed.
local function write_many(campaign, kind, changed, pack)
  local chunks = {}
  for group, value in pairs(changed) do
    local chunk = math.floor(group / CHUNK)
    local row = chunks[chunk] or {}
    chunks[chunk] = row
    row[#row + 1] = group
    row[#row + 1] = pack(value)
  end
  for chunk, row in pairs(chunks) do
    redis.call('HSET', key(kind, campaign.load, chunk), unpack(row))
  end
end

local function flush()
  for _, campaign in ipairs(opened) do conclude(campaign) end
  for _, campaign in ipairs(opened) do
    write_many(campaign, 'records', campaign.dirty, pack_record)
    write_many(campaign, 'delivery', campaign.moved, pack_slots)
    store_cursors(campaign)
    local changed = {}
    for _, field in ipairs(FIELDS) do
      local value = campaign[field]
      if value ~= campaign.before[field] then
        changed[#changed + 1] = field
        -- '%.17g' keeps a rate like 0.5 and prints whole numbers whole.
        changed[#changed + 1] = NUMBERS[field] and string.format('%.17g', value) or value
      end
    end
    if #changed > 0 then
      redis.call('HSET', key('campaign', campaign.id), unpack(changed))
    end
  end
end

-- An unresolved message bars another one to the same people for this long after its
-- gate, the width of the provider-search window of an unknown.
local LOCK_MS = 30 * 60 * 1000

-- A message is rarely in the provider's search sooner than this.
local FIRST_LOOK_MS = 2000

-- Lists the group's last write, to be looked for at the provider. In the same run as
-- what makes it doubtful: whatever becomes of the group next, it is not forgotten.
local function doubt(campaign, group, r)
  local name = string.format('%s|%d|%d|%.0f', campaign.id, group, r.serial, r.gated_at)
  redis.call('ZADD', KEY.doubts, 'NX', whole(NOW + FIRST_LOOK_MS), name)
end

-- ---- Buckets: level in units; in debt below zero. ----

local BUCKET_CAP_S = 0.25 -- a level holds at most this many seconds' worth
local levels = {}

local function stored_form(b) return string.format('%.6f %.0f', b.level, NOW_US) end

local function store_bucket(b) redis.call('HSET', KEY.buckets, b.name, stored_form(b)) end

local function bucket(name, rate)
  local b = levels[name]
  if not b then
    local stored = redis.call('HGET', KEY.buckets, name)
    b = { name = name, rate = rate, level = rate * BUCKET_CAP_S }
    if stored then
      local level, at = string.match(stored, '^(%S+) (%S+)$')
      local passed = NOW_US - tonumber(at)
      -- A clock that went backwards proves nothing: no refill, and count from here.
      -- Stored at once: until then no time would seem to pass.
      if passed < 0 then
        b.level = math.min(0, tonumber(level))
        store_bucket(b)
      else b.level = math.min(tonumber(level) + rate * passed / 1e6, rate * BUCKET_CAP_S) end
    end
    levels[name] = b
  end
  return b
end

-- Milliseconds until a bucket is out of debt.
local function wait_ms(b)
  if b.level >= 0 then return 0 end
  return math.ceil(-b.level / b.rate * 1000)
end

local function store_buckets()
  local row = {}
  for name, b in pairs(levels) do
    if b.changed then
      row[#row + 1] = name
      row[#row + 1] = stored_form(b)
    end
  end
  if #row > 0 then redis.call('HSET', KEY.buckets, unpack(row)) end
end

-- The buckets that a campaign's groups must pay into. Rates: "" means no limit.
local function buckets_of(campaign, account_rate, sender_rate)
  local list = {}
  if account_rate then list[1] = bucket('account', account_rate) end
  if sender_rate then list[#list + 1] = bucket('sender:' .. campaign.sender, sender_rate) end
  local pace = campaign.pace > 0 and campaign.pace or math.huge
  -- Slowed down for a while, because carriers said that it was too much.
  if campaign.slow_until > NOW then pace = math.min(pace, campaign.slow_pace) end
  if pace < math.huge then list[#list + 1] = bucket('campaign:' .. campaign.id, pace) end
  return list
end

local function longest_wait(list)
  local longest = 0
  for _, b in ipairs(list) do longest = math.max(longest, wait_ms(b)) end
  return longest
end

-- ---- The day: units that passed the gate since midnight UTC, where they are capped. ----

local a_day

local function this_day()
  if not a_day then
    local stored = redis.call('HMGET', KEY.day, 'day', 'units', 'full')
    a_day = { day = math.floor(NOW / DAY_MS), units = tonumber(stored[2]) or 0,
              full = tonumber(stored[3]) or 0 }
    -- A clock that went backwards gives no second allowance: what was spent stays.
    if a_day.day > (tonumber(stored[1]) or 0) then a_day.units, a_day.full = 0, 0 end
  end
  return a_day
end

-- Milliseconds until so many units may pass: 0, or the rest of the day. Whom it stops
-- first ends the day for all (`full` is the cap then), until somebody raises the cap.
local function day_ms(daily, cost)
  if not daily then return 0 end
  local day = this_day()
  if day.full ~= daily and day.units + cost <= daily then return 0 end
  day.full, day.changed = daily, true
  return DAY_MS - NOW % DAY_MS
end

local function spend(daily, cost)
  local day = this_day()
  day.units, day.changed = day.units + cost, true
  day.full = day.units >= daily and daily or 0
end

local function store_day()
  if not a_day or not a_day.changed then return end
  redis.call('HSET', KEY.day, 'day', whole(a_day.day), 'units', whole(a_day.units),
             'full', whole(a_day.full))
end

-- Milliseconds the account still pauses because of a 429.
local function throttled_ms()
  local till = tonumber(redis.call('HGET', KEY.throttle, 'until') or 0)
  return math.max(0, till - NOW)
end

-- ---- Is this the primary that served last, with all it knew? See identify.lua. ----

local SET_BACK = 'ledger' -- the reason of a pause that only `vouch` lifts
local QUIET_MS = 6000 -- after a restart: nothing is sent while the living compare

-- The id of this server's history, another after every start and on every promoted
-- replica; and, on a promoted one, the id it had as a replica.
local function replication()
  local info = redis.call('INFO', 'replication')
  local now = string.match(info, 'master_replid:(%x+)') or ''
  local former = string.match(info, 'master_replid2:(%x*[1-9a-f]%x*)')
  return now, former
end

-- From now on this ledger can be told from every other.
local function introduce()
  local replid = replication()
  redis.call('HSET', KEY.identity, 'nonce', replid .. '-' .. whole(NOW_US), 'replid', replid)
end

-- Milliseconds for which the living are still looking.
local function quiet_ms(till)
  local left = (tonumber(till) or 0) - NOW
  if left <= QUIET_MS then return math.max(0, left) end
  -- The clock went backwards in these seconds: count from here.
  redis.call('HSET', KEY.identity, 'until', whole(NOW + QUIET_MS))
  return QUIET_MS
end

-- Milliseconds for which nothing may be sent because nobody has looked yet whether
-- this ledger forgot something, or because the living are still looking.
local function unsure_ms()
  local known = redis.call('HMGET', KEY.identity, 'replid', 'until')
  if not known[1] then return 0 end
  if known[1] ~= replication() then return 1000 end
  return quiet_ms(known[2])
end

-- Milliseconds for which nobody may claim or send.
local function closed_ms() return math.max(throttled_ms(), unsure_ms()) end
