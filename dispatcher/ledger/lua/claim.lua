-- claim.lua: reserves groups for one worker child under its fencing token.
-- ARGV: now, token, want (groups), lease_ms, account_rate, sender_rate, daily (units
--       a day; each "" = none), idle ("1" when the child holds nothing), then for each
--       campaign of which it has groups that wait at the gate: id, how many
-- returns: wait_ms (-1: nothing will be due by itself), alone (1: a suspect waits
--          for an idle child), groups (msgpack), each
--          id, load, group, serial, attempts, crashes, dropped (mask)
-- It only reserves: nothing is charged and nothing may be sent yet.
-- needs: lanes, buckets, closed
local token, want, lease_ms = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local account_rate, sender_rate = tonumber(ARGV[5]), tonumber(ARGV[6])
local daily = tonumber(ARGV[7])
local idle = ARGV[8] == '1'
local passed_over = false
local LOOK = 50 -- campaigns looked at in one call, so that a call stays short

local out, alone, taken = {}, 0, 0

local function reply(wait) return { wait, alone, cmsgpack.pack(out) } end

local paused = math.max(closed_ms(), day_ms(daily, 1))
if account_rate then paused = math.max(paused, wait_ms(bucket('account', account_rate))) end
if paused > 0 then return reply(paused) end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.later, '-inf', NOW, 'LIMIT', 0, 100)) do
  local campaign = open(id)
  redis.call('ZREM', KEY.later, id)
  if campaign and (campaign.state == 'running' or campaign.state == 'scheduled') then
    if campaign.state == 'scheduled' then campaign.state = 'running' end
    join(campaign)
  end
end

-- Groups that a bucket has room for in this call: a quarter of a second's worth, at
-- least one. More would only wait at the gate, perhaps in more urgent ones' way.
local function room(campaign, b)
  local left = b.rate * BUCKET_CAP_S - (b.claimed or 0)
  local groups = math.max(0, math.floor(left / campaign.group_size))
  return b.claimed and groups or math.max(1, groups)
end

-- What the child has at the gate already takes up room. Not the account's: the child
-- asks for no more than that has room for.
for at = 9, #ARGV, 2 do
  local campaign = open(ARGV[at])
  for _, b in ipairs(campaign and buckets_of(campaign, nil, sender_rate) or {}) do
    b.claimed = (b.claimed or 0) + tonumber(ARGV[at + 1]) * campaign.group_size
  end
end

local function share(campaign, list)
  local most = want - taken
  for _, b in ipairs(list) do most = math.min(most, room(campaign, b)) end
  return most
end

-- Lanes with fresh groups that may go now; the one that closes first comes first.
local function open_lanes(campaign)
  local list = {}
  for _, lane in ipairs(lanes_of(campaign)) do
    if lane.cursor < lane.last and opens_in(lane.hours) == 0 then
      lane.closes = closes_in(lane.hours)
      list[#list + 1] = lane
    end
  end
  table.sort(list, function(a, b) return a.closes < b.closes end)
  return list
end

-- Moves the cursors. A fresh group may be settled already: late proof of a send that a
-- ledger set back has forgotten.
local function pick_fresh(campaign, most, picked)
  local fresh = {}
  for _, lane in ipairs(open_lanes(campaign)) do
    while #picked + #fresh < most and lane.cursor < lane.last do
      fresh[#fresh + 1] = lane.cursor
      lane.cursor = lane.cursor + 1
    end
  end
  campaign.cursor = campaign.cursor + #fresh
  prefetch(campaign, fresh)
  for _, group in ipairs(fresh) do
    if record(campaign, group).state == STATE.pending then picked[#picked + 1] = group end
  end
end

-- A group that was claimed when workers died goes alone, to a child with nothing else.
-- A child is asked to run empty for it only when it is the most urgent of all.
local function pick(campaign, most)
  local due = key('due', campaign.load)
  local picked = {}
  local waiting = redis.call('ZRANGEBYSCORE', due, '-inf', NOW, 'LIMIT', 0, most + 16)
  for i, group in ipairs(waiting) do waiting[i] = tonumber(group) end
  prefetch(campaign, waiting)
  for _, group in ipairs(waiting) do
    if #picked >= most then break end
    if record(campaign, group).crashes == 0 then picked[#picked + 1] = group
    elseif idle and taken == 0 and #picked == 0 then
      redis.call('ZREM', due, group)
      return { group }, true
    elseif taken == 0 and #picked == 0 then alone = 1 end
  end
  if #picked > 0 then redis.call('ZREM', due, unpack(picked)) end
  pick_fresh(campaign, most, picked)
  return picked, false
end

-- Ready again, later, or out of the queue: where the campaign goes after its turn.
local function requeue(campaign)
  local next_at = NOW + fresh_wait(campaign)
  if next_at > NOW then
    local first = redis.call('ZRANGE', key('due', campaign.load), 0, 0, 'WITHSCORES')
    if first[1] then next_at = math.min(next_at, tonumber(first[2])) end
  end
  if next_at == math.huge then make_idle(campaign)
  elseif next_at <= NOW then make_ready(campaign)
  else make_later(campaign, next_at) end
end

local function take(campaign, list, most)
  local picked, suspect = pick(campaign, most)
  local members = {}
  for _, group in ipairs(picked) do
    local r = record(campaign, group)
    move(campaign, group, r, 'claim')
    r.tail = token
    members[#members + 1] = campaign.id .. '|' .. group
    out[#out + 1] = { campaign.id, campaign.load, group, r.serial, r.attempts,
                      r.crashes, r.dropped }
  end
  taken = taken + #picked
  local units = #picked * campaign.group_size
  campaign.served = campaign.served + units
  for _, b in ipairs(list) do b.claimed = (b.claimed or 0) + units end
  if #members > 0 then redis.call('SADD', key('claim', token), unpack(members)) end
  requeue(campaign)
  return suspect
end

for _, id in ipairs(redis.call('ZRANGE', KEY.ready, 0, LOOK - 1)) do
  if taken >= want then break end
  local campaign = open(id)
  if not campaign or campaign.state ~= 'running' then
    redis.call('ZREM', KEY.ready, id)
  elseif campaign.expires_at > 0 and NOW >= campaign.expires_at then
    cancel(campaign, 'expired')
  else
    local list = buckets_of(campaign, account_rate, sender_rate)
    local wait, most = longest_wait(list), share(campaign, list)
    if wait > 0 then make_later(campaign, NOW + wait)
    elseif most > 0 then
      if take(campaign, list, most) then break end
    elseif account_rate and room(campaign, list[1]) == 0 then break
    else passed_over = true end
  end
end

flush()
if taken > 0 then
  redis.call('ZADD', KEY.leases, whole(NOW + lease_ms), token)
  return reply(0)
end
local next = redis.call('ZRANGE', KEY.later, 0, 0, 'WITHSCORES')
if redis.call('EXISTS', KEY.ready) == 1 then
  return reply((alone == 1 or passed_over) and 50 or 1)
end
if next[1] then return reply(math.max(1, tonumber(next[2]) - NOW)) end
return reply(-1)
