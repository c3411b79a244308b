-- enter.lua: a child begins a shift: one wake-up is used up.
-- ARGV: now, child
-- returns: 1
redis.call('ZADD', KEY.children, whole(NOW), ARGV[2])
redis.call('ZADD', KEY.shifts, whole(NOW), ARGV[2])
local waiting = tonumber(redis.call('GET', KEY.wakes) or 0)
if waiting > 0 then redis.call('DECR', KEY.wakes) end
return 1
