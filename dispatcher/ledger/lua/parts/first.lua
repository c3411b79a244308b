-- first.lua: the more urgent first. Whom a bucket tells to wait a moment asks again, and so
-- do others; until then those of a lower priority are not let through. After buckets.lua.
local MOMENT_MS = 1000 -- who is told to wait longer goes back to the queue (sending.py)
local COMES_BACK_MS = 100 -- from the end of its wait until it has asked again

-- Who waits for a bucket: its priority, and until when the others let it go first.
local function first_of(b)
  if not b.shared then return end
  if not b.first then
    local stored = redis.call('HGET', KEY.first, b.name) or '0 0'
    local priority, till = string.match(stored, '^(%S+) (%S+)$')
    b.first = { priority = tonumber(priority), till = tonumber(till) }
  end
  local left = b.first.till - NOW
  -- More is left only when the clock went backwards: then it is long gone.
  return left > 0 and left <= MOMENT_MS + COMES_BACK_MS and b.first or nil
end

-- Milliseconds for which others go first.
local function gives_way_ms(campaign, list)
  local longest = 0
  for _, b in ipairs(list) do
    local first = first_of(b)
    if first and first.priority > campaign.priority then
      longest = math.max(longest, first.till - NOW)
    end
  end
  return longest
end

local function set_first(b, priority, till)
  b.first, b.first_changed = { priority = priority, till = till }, true
end

-- A group is told to wait for a bucket; it comes first unless a more urgent one does.
local function come_first(b, campaign, wait)
  local first = first_of(b)
  if not b.shared or wait > MOMENT_MS then return end
  if first and first.priority > campaign.priority then return end
  set_first(b, campaign.priority, NOW + wait + COMES_BACK_MS)
end

-- A group was let through: the last that was told to wait, unless it came too early.
local function forget_first(b)
  local first = first_of(b)
  if first and first.till - NOW <= COMES_BACK_MS then set_first(b, 0, 0) end
end

local function store_first()
  for name, b in pairs(levels) do
    if b.first_changed then
      local stored = string.format('%d %.0f', b.first.priority, b.first.till)
      redis.call('HSET', KEY.first, name, stored)
    end
  end
end
