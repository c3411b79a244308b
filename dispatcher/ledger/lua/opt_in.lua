-- opt_in.lua: people take back their own opt-outs (START); what we entered stays.
-- ARGV: now, at_ms ("" = now), sender ("" = none; its list, too), numbers (8 bytes) ...
-- returns: how many entries were removed
-- The time is kept: a STOP that is older, and comes later or again, changes nothing.
local at_ms, sender = tonumber(ARGV[2]) or NOW, ARGV[3]
local OWN = { stop = true, code = true }
local removed = 0

local function remember(opted_in, number)
  local before = tonumber(redis.call('HGET', opted_in, number) or 0)
  if at_ms > before then redis.call('HSET', opted_in, number, whole(at_ms)) end
end

local function take_back(entries, number)
  local stored = redis.call('HGET', entries, number)
  if not stored then return end
  local source, since = string.match(stored, '^(%a+)|(%d+)$')
  if OWN[source] and tonumber(since) < at_ms then
    removed = removed + redis.call('HDEL', entries, number)
  end
end

for _, scope in ipairs(sender == '' and { 'all' } or { 'all', sender }) do
  local entries, opted_in = key('suppressed', scope), key('opted_in', scope)
  for at = 4, #ARGV do
    remember(opted_in, ARGV[at])
    take_back(entries, ARGV[at])
  end
  if redis.call('EXISTS', entries) == 0 then redis.call('SREM', KEY.scopes, scope) end
end
return removed
