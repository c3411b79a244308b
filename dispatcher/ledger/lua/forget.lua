-- forget.lua: a submission ended without a campaign: its id is free again.
-- ARGV: now, id
-- returns: 1 forgotten | 0 the id belongs to a committed campaign
-- Another submission under the same id that still loads is not disturbed: its
-- commit writes everything anew.
local id = ARGV[2]
local hash = key('campaign', id)
if redis.call('HEXISTS', hash, 'content') == 1 then return 0 end
redis.call('DEL', hash)
redis.call('ZREM', KEY.campaigns, id)
return 1
