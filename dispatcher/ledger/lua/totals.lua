-- totals.lua: sums over some campaigns, and when the first group of a running one is due.
-- ARGV: now, first (place in the order of submission), limit (campaigns in this call)
-- returns: campaigns looked at, ms for which the first group handed back has been due,
--          then sums: name, number ... (a campaign counts for its state; then what
--          its fields count)
-- It reads only what it sums: a campaign's text is not moved for it.
local first, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local fields = { 'state', 'load', 'gated_units', 'doubled' }
local COUNTED = 3 -- the first of them that is a number
for _, name in pairs(NAME) do fields[#fields + 1] = name end
for _, name in pairs(TALLY) do fields[#fields + 1] = name end

local sums, overdue = {}, 0

local function add(name, number) sums[name] = (sums[name] or 0) + number end

local function look_at_due(load)
  local due = redis.call('ZRANGE', key('due', load), 0, 0, 'WITHSCORES')
  if due[2] then overdue = math.max(overdue, NOW - tonumber(due[2])) end
end

local ids = redis.call('ZRANGE', KEY.campaigns, first, first + limit - 1)
for _, id in ipairs(ids) do
  local values = redis.call('HMGET', key('campaign', id), unpack(fields))
  local state = values[1]
  -- A load that died has left its id, and nothing else.
  if state then
    add('campaigns:' .. state, 1)
    if state == 'running' then look_at_due(values[2]) end
    for at = COUNTED, #fields do add(fields[at], tonumber(values[at]) or 0) end
  end
end

local reply = { #ids, overdue }
for name, sum in pairs(sums) do
  reply[#reply + 1] = name
  reply[#reply + 1] = whole(sum)
end
return reply
