-- unthrottle.lua: the provider takes messages again: the next 429 starts small.
-- ARGV: now
-- returns: 1
if redis.call('EXISTS', KEY.throttle) == 1 then redis.call('HSET', KEY.throttle, 'step', 0) end
return 1
