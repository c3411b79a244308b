-- deliver.lua: records how far accepted messages got, member by member, and does at
-- once what the code of a failure asks of its campaign: so a crash loses neither.
-- ARGV: now, account_rate, sender_rate ("" = none), number of rules, then for each rule:
--       code, action (suppress | pause | slow), reason of a pause
--       then for each group: id, load, group, message id, slots (as stored)
-- returns: for each group 1 news | 0 known already | -1 not proven to be taken under
--          that id | -2 accepted under another id | -3 no such campaign; then the
--          actions taken: id, code, action ...
-- Suppressing is the caller's; here it is only counted.
-- needs: deliveries
local account_rate, sender_rate = tonumber(ARGV[2]), tonumber(ARGV[3])
local FIRST_RULE, RULE_STRIDE, STRIDE = 5, 3, 5
local UNPROVEN, OTHER, UNKNOWN = -1, -2, -3
-- A campaign that was too fast goes at half its rate for so long; another such code
-- halves it again, but not one of the same moment, and not without end.
local SLOW_MS, SAME_MS, DEEPEST = 15 * 60 * 1000, 60 * 1000, 16

local rules, at = {}, FIRST_RULE
for _ = 1, tonumber(ARGV[4]) do
  rules[tonumber(ARGV[at])] = { action = ARGV[at + 1], reason = ARGV[at + 2] }
  at = at + RULE_STRIDE
end

local items = {}
for at = at, #ARGV, STRIDE do
  local campaign = open(ARGV[at])
  if campaign and campaign.load ~= ARGV[at + 1] then campaign = nil end
  local item = { campaign = campaign, group = tonumber(ARGV[at + 2]),
                 message = ARGV[at + 3], slots = ARGV[at + 4] }
  items[#items + 1] = item
end
for campaign, members in pairs(prefetch_items(items)) do
  prefetch_deliveries(campaign, members)
end

local counts, taken = {}, {}

local function count(campaign, field)
  counts[campaign.id] = counts[campaign.id] or {}
  counts[campaign.id][field] = (counts[campaign.id][field] or 0) + 1
end

-- Units a second it may send now, or sends where nothing limits it.
local function full_pace(campaign)
  local least = math.min(account_rate or math.huge, sender_rate or math.huge,
                         campaign.pace > 0 and campaign.pace or math.huge)
  if least < math.huge then return least end
  return campaign.gated_units * 1000 / math.max(1000, NOW - campaign.started_at)
end

local act = {}

function act.suppress() return true end

-- What was sent before a person resumed it says nothing about what they mended.
function act.pause(campaign, r, rule)
  if campaign.state ~= 'running' or r.gated_at < campaign.resumed_at then return false end
  campaign.state, campaign.reason = 'paused', rule.reason
  make_idle(campaign)
  return true
end

function act.slow(campaign)
  if campaign.state ~= 'running' and campaign.state ~= 'paused' then return false end
  local full = full_pace(campaign)
  if campaign.slow_until <= NOW then campaign.slow_pace = full / 2
  elseif campaign.slow_until - SLOW_MS + SAME_MS > NOW then return false
  else campaign.slow_pace = math.max(campaign.slow_pace / 2, full / DEEPEST) end
  campaign.slow_until = NOW + SLOW_MS
  return true
end

local function fail(campaign, r, code)
  count(campaign, 'code:' .. code)
  local rule = rules[code]
  if rule and act[rule.action](campaign, r, rule) then
    count(campaign, 'action:' .. rule.action .. ':' .. code)
    for _, value in ipairs({ campaign.id, code, rule.action }) do
      taken[#taken + 1] = value
    end
  end
end

local function merge(item, r)
  local campaign, news = item.campaign, 0
  local size = #item.slots / SLOT
  slots_of(campaign, item.group, size)
  for member = 0, size - 1 do
    local rank, high, low = string.byte(item.slots, member * SLOT + 1, member * SLOT + SLOT)
    if advance(campaign, item.group, r, member, rank, high, low) then
      news = 1
      if rank == RANK.failed then fail(campaign, r, high * 256 + low) end
    end
  end
  return news
end

local answers = {}
for i, item in ipairs(items) do
  local r = item.campaign and record(item.campaign, item.group)
  if not r then answers[i] = UNKNOWN
  elseif r.state ~= STATE.accepted or r.tail == '' then answers[i] = UNPROVEN
  elseif r.tail ~= item.message then answers[i] = OTHER
  else answers[i] = merge(item, r) end
end

flush()
for id, fields in pairs(counts) do
  for field, number in pairs(fields) do
    redis.call('HINCRBY', key('campaign', id), field, number)
  end
end
for _, value in ipairs(taken) do answers[#answers + 1] = value end
return answers
