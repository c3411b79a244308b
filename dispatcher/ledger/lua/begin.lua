-- begin.lua: notes that a list is being loaded under an id.
-- ARGV: now, id, ttl_s
-- returns: content hash of a campaign already committed under the id, archived or not,
--          or ""
local id, ttl_s = ARGV[2], ARGV[3]
local campaign = key('campaign', id)
-- An archived one has its content still.
if redis.call('HEXISTS', campaign, 'content') == 1 then
  return redis.call('HGET', campaign, 'content')
end
redis.call('HSET', campaign, 'state', 'loading', 'created_at', whole(NOW))
redis.call('EXPIRE', campaign, ttl_s)
redis.call('ZADD', KEY.campaigns, 'NX', whole(NOW), id)
return ''
