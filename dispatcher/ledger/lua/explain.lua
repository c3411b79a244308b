-- explain.lua: all that decides whether a campaign sends now, as of one moment.
-- ARGV: now, id, account_rate, sender_rate, daily (units a day; each "" = none),
--       sample (waiting groups to name)
-- returns: {} for an unknown id, else its state, reason, number of facts, the facts
--          (name, number ...), number of buckets, the buckets (name, rate, level in
--          units, ms until it is out of debt ...), then groups that are due now
-- needs: lanes, buckets, closed
local id = ARGV[2]
local account_rate, sender_rate = tonumber(ARGV[3]), tonumber(ARGV[4])
local daily = tonumber(ARGV[5])
local sample = tonumber(ARGV[6])
local campaign = open(id)
if not campaign then return {} end

local due = key('due', campaign.load)

local function next_due()
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, tonumber(first[2]) - NOW) or -1
end

-- Campaigns that are served before it; -1 when it is not in the line.
local function ahead()
  return redis.call('ZRANK', KEY.ready, id) or -1
end

local wait = fresh_wait(campaign)
local day = this_day()
if not daily and day.full > 0 then daily = day.full end
local facts = {
  day_wait = day_ms(daily, 1), day_units = day.units,
  now = NOW, starts_at = campaign.starts_at, fresh = campaign.groups - campaign.cursor,
  fresh_wait = wait < math.huge and wait or 0, next_due = next_due(), ahead = ahead(),
  throttled = throttled_ms(), unsure = unsure_ms(),
}
for _, name in pairs(NAME) do facts[name] = campaign[name] end

local reply, count = { campaign.state, campaign.reason, 0 }, 0
for name, number in pairs(facts) do
  count = count + 1
  reply[#reply + 1] = name
  reply[#reply + 1] = whole(number or -1)
end
reply[3] = count
local list = buckets_of(campaign, account_rate, sender_rate)
reply[#reply + 1] = #list
for _, b in ipairs(list) do
  for _, value in ipairs({ string.match(b.name, '^%a+'), tostring(b.rate),
                           tostring(b.level), wait_ms(b) }) do reply[#reply + 1] = value end
end
for _, group in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', '+inf', 'LIMIT', 0, sample)) do
  reply[#reply + 1] = tonumber(group)
end
return reply
