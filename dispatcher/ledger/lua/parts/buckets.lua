-- buckets.lua: how much may pass now. A level in units, in debt below zero; and the
-- day's units, where they are capped.
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
  -- What other campaigns pay into, too.
  for _, b in ipairs(list) do b.shared = true end
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
