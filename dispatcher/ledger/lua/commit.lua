-- commit.lua: makes a loaded list the campaign's list, in one step.
-- ARGV: now, id, load, content, chunks, then field, value ... of the campaign hash
-- returns: "" committed, also when repeated | content hash of what another submission
--          committed first
-- Before this, the chunks expire by themselves and no worker looks at them.
local id, load, content, chunks = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local hash = key('campaign', id)
local first = redis.call('HMGET', hash, 'load', 'content')
if first[1] == load then return '' end
if first[2] then return first[2] end

for chunk = 0, chunks - 1 do
  if redis.call('EXISTS', key('groups', load, chunk)) == 0 then
    return redis.error_reply('MISSING chunk of a load: it expired or was removed')
  end
end
local fields, has_lanes = {}, false
for at = 6, #ARGV, 2 do
  fields[#fields + 1], fields[#fields + 2] = ARGV[at], ARGV[at + 1]
  has_lanes = has_lanes or (ARGV[at] == 'lanes' and tonumber(ARGV[at + 1]) > 0)
end
if has_lanes and redis.call('EXISTS', key('lanes', load)) == 0 then
  return redis.error_reply('MISSING lanes of a load: they expired or were removed')
end
for chunk = 0, chunks - 1 do redis.call('PERSIST', key('groups', load, chunk)) end
redis.call('PERSIST', key('lanes', load))

redis.call('DEL', hash)
redis.call('HSET', hash, 'load', load, 'content', content, 'created_at', whole(NOW),
           'state', 'running', unpack(fields))
redis.call('ZADD', KEY.campaigns, whole(NOW), id)
redis.call('HSET', KEY.loads, load, id)

local campaign = open(id)
campaign.pending = campaign.groups
if campaign.starts_at > NOW then
  campaign.state = 'scheduled'
  make_later(campaign, campaign.starts_at)
else join(campaign) end
flush()
return ''
