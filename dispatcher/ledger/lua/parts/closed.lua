-- closed.lua: whether anybody may claim or send: a 429, another ledger.
-- Milliseconds the account still pauses because of a 429.
local function throttled_ms()
  local till = tonumber(redis.call('HGET', KEY.throttle, 'until') or 0)
  return math.max(0, till - NOW)
end

-- ---- Is this the primary that served last, with all it knew? See identify.lua. ----

local SET_BACK = 'ledger' -- the reason of a pause that only `vouch` lifts
local QUIET_MS = 6000 -- after a restart: nothing is sent while the living compare

-- The id of this server's history, another after every start and on every promoted
-- replica; and, on a promoted one, the id it had as a replica.
local function replication()
  local info = redis.call('INFO', 'replication')
  local now = string.match(info, 'master_replid:(%x+)') or ''
  local former = string.match(info, 'master_replid2:(%x*[1-9a-f]%x*)')
  return now, former
end

-- From now on this ledger can be told from every other; nothing if it can already.
local function introduce()
  if redis.call('HEXISTS', KEY.identity, 'nonce') == 1 then return end
  local replid = replication()
  redis.call('HSET', KEY.identity, 'nonce', replid .. '-' .. whole(NOW_US), 'replid', replid)
end

-- Milliseconds for which the living are still looking.
local function quiet_ms(till)
  local left = (tonumber(till) or 0) - NOW
  if left <= QUIET_MS then return math.max(0, left) end
  -- The clock went backwards in these seconds: count from here.
  redis.call('HSET', KEY.identity, 'until', whole(NOW + QUIET_MS))
  return QUIET_MS
end

-- Milliseconds for which nothing may be sent because nobody has looked yet whether
-- this ledger forgot something, or because the living are still looking.
local function unsure_ms()
  local known = redis.call('HMGET', KEY.identity, 'replid', 'until')
  if not known[1] then return 0 end
  if known[1] ~= replication() then return 1000 end
  return quiet_ms(known[2])
end

-- Milliseconds for which nobody may claim or send.
local function closed_ms() return math.max(throttled_ms(), unsure_ms()) end
