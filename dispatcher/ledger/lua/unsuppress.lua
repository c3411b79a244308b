-- unsuppress.lua: takes numbers off a list of opted-out ones, whoever put them there.
-- ARGV: now, scope ("all" or a sender), numbers (8 bytes) ...
-- returns: how many were on the list
local entries, removed = key('suppressed', ARGV[2]), 0
for at = 3, #ARGV do removed = removed + redis.call('HDEL', entries, ARGV[at]) end
if redis.call('EXISTS', entries) == 0 then redis.call('SREM', KEY.scopes, ARGV[2]) end
return removed
