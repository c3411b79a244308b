-- suppress.lua: stores opted-out numbers; from then on no gate lets one through.
-- ARGV: now, scope ("all" or a sender), then for each number:
--       number (8 bytes), source (stop | code | hand | import), since_ms ("" = now)
-- returns: how many numbers were not in the scope before
-- Events about one person come doubled and in any order: the outcome is the same.
local FIRST, STRIDE = 3, 3
local entries, opted_in = key('suppressed', ARGV[2]), key('opted_in', ARGV[2])

-- Put there by us. Only we take it back, so it also replaces a person's own opt-out.
local FIRM = { hand = true, import = true }

-- Has the person opted in again later than this?
local function is_over(number, since)
  local at = redis.call('HGET', opted_in, number)
  return at and since < tonumber(at)
end

-- Of two firm entries the first counts; of a person's own opt-outs the last, which is
-- the one that a START must be newer than.
local function replaces(source, since, stored)
  local old, at = string.match(stored, '^(%a+)|(%d+)$')
  if FIRM[source] ~= FIRM[old] then return FIRM[source] end
  return not FIRM[source] and since > tonumber(at)
end

local added = 0
for at = FIRST, #ARGV, STRIDE do
  local number, source = ARGV[at], ARGV[at + 1]
  local since = tonumber(ARGV[at + 2]) or NOW
  local stored = redis.call('HGET', entries, number)
  if not stored then
    if FIRM[source] or not is_over(number, since) then
      redis.call('HSET', entries, number, source .. '|' .. whole(since))
      added = added + 1
    end
  elseif replaces(source, since, stored) then
    redis.call('HSET', entries, number, source .. '|' .. whole(since))
  end
end
if redis.call('EXISTS', entries) == 1 then redis.call('SADD', KEY.scopes, ARGV[2]) end
return added
