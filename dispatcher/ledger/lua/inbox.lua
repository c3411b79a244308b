-- inbox.lua: the bodies that wait to be applied, for the one process that applies them.
-- It says which of the last ones are done in the same step that gives the next: a crash
-- before it means that they are given, and applied, once more, which is harmless.
-- ARGV: now, applier, lease_ms, done (bodies given last that are applied), limit, then
--       bodies to be put back behind all others: their time has not come yet
-- returns: {} when another process applies | 1, then at most limit bodies
local applier, lease_ms = ARGV[2], ARGV[3]
local done, limit = tonumber(ARGV[4]), tonumber(ARGV[5])

local holder = redis.call('GET', KEY.applier)
-- Without the lease in between others may have taken, and removed, the same bodies.
if done > 0 and holder == applier then
  for at = 6, #ARGV do redis.call('RPUSH', KEY.inbox, ARGV[at]) end
  redis.call('LTRIM', KEY.inbox, done, -1)
end
if holder and holder ~= applier then return {} end
redis.call('SET', KEY.applier, applier, 'PX', lease_ms)
local bodies = redis.call('LRANGE', KEY.inbox, 0, limit - 1)
table.insert(bodies, 1, 1)
return bodies
