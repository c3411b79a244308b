-- gate.lua: the last question before a write. Passing it marks the group
-- `sending` under a new serial and charges every bucket; both are durable when
-- this returns (appendfsync always).
-- ARGV: now, token, account_rate, sender_rate, daily (units a day; each "" = none),
--       groups (msgpack), each
--       id, group, serial (the new one), cost (units), lock, members (numbers, a
--       space between: as a rule nobody looks at them), dropped (mask of those left
--       out of this send), spent (attempts that the proven-unsent serial before it
--       cost; -1 unless it is a quick second try)
-- returns groups let through ever, by any child; then for each group: 0 go |
--         n > 0 wait n ms | -1 lost | -2 not running | -3 locked by another message
--         to the same people | -4 canary is full | -(1024 + mask) leave these out
--         first: they have opted out (calls.left_out)
-- A repeated call with the same serial answers -1: it never lets through twice.
-- needs: lanes, buckets, closed, first
local token = ARGV[2]
local account_rate, sender_rate = tonumber(ARGV[3]), tonumber(ARGV[4])
local daily = tonumber(ARGV[5])
local LOST, STOPPED, LOCKED, CANARY = -1, -2, -3, -4
local LEAVE_OUT = -1024
-- Whom the day's cap stops goes back for so long; then claim keeps it until the day ends.
local DAY_BACK_MS = 5000

local items, locks = {}, {}
for i, row in ipairs(cmsgpack.unpack(ARGV[6])) do
  items[i] = {
    campaign = open(row[1]), group = row[2], serial = row[3], cost = row[4],
    lock = row[5], members = row[6], dropped = row[7], spent = row[8],
  }
  locks[i] = row[5]
end
prefetch_items(items)

local paused = closed_ms()
local held = redis.call('ZMSCORE', KEY.locks, unpack(locks))
local taken, passed = {}, 0

local function is_mine(item, r)
  local first = r.state == STATE.claimed
  local again = r.state == STATE.sending and item.spent >= 0
  return (first or again) and r.tail == token and item.serial == r.serial + 1
end

-- The lists that bind a sender, if there are any: as a rule that is all there is to ask.
local lists = {}

local function lists_of(sender)
  if not lists[sender] then
    local names = { key('suppressed', 'all'), key('suppressed', sender) }
    lists[sender] = redis.call('EXISTS', unpack(names)) > 0 and names or {}
  end
  return lists[sender]
end

-- A group's numbers as the lists have them (codec.pack_number).
local function packed(members)
  local numbers = {}
  for number in string.gmatch(members, '%d+') do
    numbers[#numbers + 1] = struct.pack('>I8', tonumber(number))
  end
  return numbers
end

-- Everybody to leave out: those who were before, and who has opted out since.
local function to_leave_out(item, r)
  local mask = bit.bor(item.dropped, r.dropped)
  for _, name in ipairs(lists_of(item.campaign.sender)) do
    for i, found in ipairs(redis.call('HMGET', name, unpack(packed(item.members)))) do
      if found then mask = bit.bor(mask, bit.lshift(1, i - 1)) end
    end
  end
  return mask
end

-- A second try to the same people holds its own lock already. If it is to fewer of
-- them, the lock that it held ends by itself.
local function is_locked(i, item, r)
  if taken[item.lock] then return true end
  if r.state == STATE.sending and r.dropped == item.dropped then return false end
  return held[i] and tonumber(held[i]) > NOW
end

local function is_over(campaign)
  return campaign.state ~= 'running'
    or (campaign.expires_at > 0 and NOW >= campaign.expires_at)
end

local function is_canary_full(campaign, r)
  return campaign.stop_after > 0 and r.gated_at == 0
    and campaign.gated >= campaign.stop_after
end

local function pay(item, list)
  for _, b in ipairs(list) do
    b.level, b.changed = b.level - item.cost, true
    forget_first(b)
  end
end

-- Groups refused for debt line up behind one another in the buckets that are in
-- debt (and in no other), so that each is told its own wait.
local function line_up(item, list, debt)
  for _, b in ipairs(list) do
    if b.level < 0 then
      -- Only what it waits for: another bucket is not the reason.
      if wait_ms(b) == debt then come_first(b, item.campaign, debt) end
      b.queued = (b.queued or 0) + item.cost
      b.level = b.level - item.cost
    end
  end
end

local function charge(item)
  local list = buckets_of(item.campaign, account_rate, sender_rate)
  local debt = longest_wait(list)
  local wait = math.max(debt, gives_way_ms(item.campaign, list))
  if wait == 0 then pay(item, list) else line_up(item, list, debt) end
  return wait
end

-- Standing in line costs nothing.
local function uncharge()
  for _, b in pairs(levels) do b.level = b.level + (b.queued or 0) end
end

local function pass(item, r)
  local campaign = item.campaign
  if r.gated_at == 0 then campaign.gated = campaign.gated + 1 end
  if campaign.started_at == 0 then campaign.started_at = NOW end
  campaign.gated_units = campaign.gated_units + item.cost
  if daily then spend(daily, item.cost) end
  move(campaign, item.group, r, 'gate')
  r.attempts = math.min(255, r.attempts + math.max(0, item.spent))
  r.serial, r.gated_at, r.dropped = item.serial, NOW, item.dropped
  if item.dropped > 0 then
    local name = string.format('%d:%d', item.group, item.serial)
    redis.call('HSET', key('masks', campaign.load), name, item.dropped)
  end
  taken[item.lock] = true
  passed = passed + 1
end

local function judge(i, item)
  local campaign = item.campaign
  local r = campaign and record(campaign, item.group)
  if not r or not is_mine(item, r) then return LOST end
  if is_over(campaign) then return STOPPED end
  if is_canary_full(campaign, r) then return CANARY end
  local mask = to_leave_out(item, r)
  if mask ~= item.dropped then return LEAVE_OUT - mask end
  if is_locked(i, item, r) then return LOCKED end
  local wait_for = math.max(paused, out_of_hours_ms(campaign, item.group))
  if day_ms(daily, item.cost) > 0 then wait_for = math.max(wait_for, DAY_BACK_MS) end
  if wait_for > 0 then return wait_for end
  local wait = charge(item)
  if wait == 0 then pass(item, r) end
  return wait
end

-- Where in its history a campaign of this age (ms) notes what is let through; history.py.
local function slot(age)
  local width = SLOT_MS
  while age >= width * SLOTS do width = width * 2 end
  return whole(math.floor(math.max(0, age) / width) * width / 1000)
end

local function permitted(campaign)
  local lowest = math.huge
  for _, b in ipairs(buckets_of(campaign, account_rate, sender_rate)) do
    lowest = math.min(lowest, b.rate)
  end
  return lowest < math.huge and string.format('%.17g', lowest) or ''
end

-- Once a call and campaign; what is permitted, once a slot.
local function note(campaign)
  local units = campaign.gated_units - campaign.before.gated_units
  if units == 0 then return end
  local name, at = key('history', campaign.load), slot(NOW - campaign.started_at)
  if redis.call('HINCRBY', name, at, whole(units)) > units then return end
  local rate = permitted(campaign)
  if redis.call('HGET', name, 'permitted') == rate then return end
  redis.call('HSET', name, 'permitted', rate, at .. ':permitted', rate)
end

local answers = {}
for i, item in ipairs(items) do answers[i] = judge(i, item) end

uncharge()
store_buckets()
store_first()
store_day()

local row, locked_until = {}, whole(NOW + LOCK_MS)
for lock in pairs(taken) do
  row[#row + 1] = locked_until
  row[#row + 1] = lock
end
if #row > 0 then redis.call('ZADD', KEY.locks, unpack(row)) end

for _, campaign in ipairs(opened) do
  if campaign.stop_after > 0 and campaign.state == 'running'
      and campaign.gated >= campaign.stop_after then
    campaign.state, campaign.reason, campaign.stop_after = 'paused', 'canary', 0
    make_idle(campaign)
  end
end
flush()
for _, campaign in ipairs(opened) do note(campaign) end

local total
if passed > 0 then
  total = redis.call('HINCRBY', KEY.identity, 'count', passed)
  if total == passed then introduce() end
else total = tonumber(redis.call('HGET', KEY.identity, 'count')) or 0 end
table.insert(answers, 1, total)
return answers
