-- base.lua: what every script shares. Prepended to each by scripts.py, after
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
local DAY_MS = 24 * 60 * 60 * 1000

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
  local before, now = {}, { id = id, records = {}, dirty = {}, delivery = {}, moved = {},
                            sizes = {} }
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

-- What parts keep of a campaign, written with it.
local writers = {}

local function flush()
  for _, campaign in ipairs(opened) do conclude(campaign) end
  for _, campaign in ipairs(opened) do
    write_many(campaign, 'records', campaign.dirty, pack_record)
    for _, write in ipairs(writers) do write(campaign) end
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
