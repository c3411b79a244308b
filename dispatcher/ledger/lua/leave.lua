-- leave.lua: a child ends in order: nobody waits for it.
-- ARGV: now, child
-- returns: 1
redis.call('ZREM', KEY.children, ARGV[2])
redis.call('ZREM', KEY.shifts, ARGV[2])
return 1
