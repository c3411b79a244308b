-- lapse.lua: takes back what is reserved under tokens whose lease has ended.
-- What never passed the gate returns; what did is unknown: it may have been sent.
-- ARGV: now, limit (groups in this call), token ("" = every lapsed one; a token =
--       that one now, because its owner says it is done with it)
-- returns: groups returned, groups unknown, groups given up as poison, 1 if more wait
local limit, mine = tonumber(ARGV[2]), ARGV[3]
-- A group that was reserved this often when its worker died is not tried again.
local POISON = 5
local returned, lost, poisoned, more = 0, 0, 0, 0
-- When nobody looked for so long (Redis was away, its clock jumped, no worker ran),
-- leases could not be renewed either: they last a while longer then, enough for a
-- child that waits for an answer of the old connection and renews on a new one.
local GAP_MS, GRACE_MS = 10000, 15000

local function was_away()
  local last = tonumber(redis.call('GET', KEY.swept) or 0)
  redis.call('SET', KEY.swept, whole(NOW))
  return NOW - last > GAP_MS
end

local function extend_leases()
  local over = redis.call('ZRANGEBYSCORE', KEY.leases, '-inf', NOW + GRACE_MS)
  for _, token in ipairs(over) do
    redis.call('ZADD', KEY.leases, 'XX', whole(NOW + GRACE_MS), token)
  end
end

local function give_up(campaign, group, r)
  move(campaign, group, r, 'cancel')
  r.tail = 'poison'
  poisoned = poisoned + 1
end

local function give_back(campaign, group, r)
  move(campaign, group, r, r.gated_at == 0 and 'return_fresh' or 'return_tried')
  if campaign.state == 'cancelled' then
    campaign[NAME[r.state]] = campaign[NAME[r.state]] - 1
    campaign.cancelled = campaign.cancelled + 1
  else queue(campaign, group, NOW) end
  r.tail = ''
  returned = returned + 1
end

local function take_back(member, token)
  local id, group = string.match(member, '^(.*)|(%d+)$')
  local campaign = open(id)
  if not campaign then return end
  group = tonumber(group)
  local r = record(campaign, group)
  if r.tail ~= token then return end -- settled by proof in the meantime
  if r.state == STATE.claimed then
    if mine == '' then
      r.crashes = r.crashes + 1
      -- The next serial is skipped: a holder that was only slow may still ask for it,
      -- under the very token that claims the group next.
      r.serial = r.serial + 1
    end
    if r.crashes >= POISON then give_up(campaign, group, r)
    else give_back(campaign, group, r) end
  elseif r.state == STATE.sending then
    move(campaign, group, r, 'lose')
    r.tail = 'worker lost'
    redis.call('ZADD', KEY.unknown, whole(NOW), member)
    doubt(campaign, group, r)
    lost = lost + 1
  end
end

if mine == '' and was_away() then
  extend_leases()
  return { 0, 0, 0, 0 }
end

local tokens = mine ~= '' and { mine }
  or redis.call('ZRANGEBYSCORE', KEY.leases, '-inf', NOW, 'LIMIT', 0, 20)
for _, token in ipairs(tokens) do
  local claim = key('claim', token)
  if limit > 0 then
    local members = redis.call('SPOP', claim, limit)
    for _, member in ipairs(members) do take_back(member, token) end
    limit = limit - #members
  end
  if redis.call('EXISTS', claim) == 0 then redis.call('ZREM', KEY.leases, token)
  else more = 1 end
end
flush()
return { returned, lost, poisoned, more }
