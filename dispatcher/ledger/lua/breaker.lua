-- breaker.lua: a child tells whether it can reach the provider, and may it try?
-- ARGV: now, child, verdict (down | up | probe), lease_ms
-- returns: down/up: children down now | probe: 1 this child may try one group
-- When two children (or the only one) are down, the fault is not the child's:
-- only the one that holds the probe lease tries.
local child, verdict, lease_ms = ARGV[2], ARGV[3], tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEY.down, '-inf', NOW)
if verdict == 'up' then
  redis.call('ZREM', KEY.down, child)
  redis.call('DEL', KEY.probe)
  return redis.call('ZCARD', KEY.down)
end
redis.call('ZADD', KEY.down, whole(NOW + 120000), child)
local down = redis.call('ZCARD', KEY.down)
if verdict == 'down' then return down end
local everyone = down >= 2 or redis.call('ZCARD', KEY.children) <= 1
if not everyone then return 1 end
local holder = redis.call('GET', KEY.probe)
if holder and holder ~= child then return 0 end
redis.call('SET', KEY.probe, child, 'PX', lease_ms)
return 1
