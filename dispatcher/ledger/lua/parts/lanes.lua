-- lanes.lua: runs of groups with the same sending hours; see dispatcher/hours.py.
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

writers[#writers + 1] = store_cursors
