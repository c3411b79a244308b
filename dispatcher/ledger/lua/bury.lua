-- bury.lua: a campaign that is over and was exported becomes a tombstone. One step, however
-- long its list: from here on no script finds its groups. What they take up is listed in
-- `graves` and given back afterwards, in small steps (graves.py).
-- ARGV: now, id, load, where it was exported to, then field, value ... (numbers of the
--       campaign that must be what they were when it was exported)
-- returns: buried | gone (no such campaign has that load) | open (it is not over) |
--          changed (it is not as it was exported)
-- A repeated call answers "gone": nothing is buried twice, nor without its export.
local id, load, where = ARGV[2], ARGV[3], ARGV[4]
local hash = key('campaign', id)
local campaign = open(id)

local function is_changed()
  for at = 5, #ARGV, 2 do
    local now = tonumber(redis.call('HGET', hash, ARGV[at]) or 0)
    if now ~= tonumber(ARGV[at + 1]) then return true end
  end
  return false
end

-- What a tombstone tells: its id is taken, by what, and how it ended.
local KEPT = { 'content', 'created_at', 'started_at', 'ended_at', 'recipients', 'groups',
               'units', 'gated_units', 'doubled', 'rejected', 'dropped', 'reason' }
for _, name in pairs(NAME) do KEPT[#KEPT + 1] = name end
for _, name in pairs(TALLY) do KEPT[#KEPT + 1] = name end

local function tombstone()
  local stone = { 'state', 'archived', 'ended', campaign.state,
                  'archived_at', whole(NOW), 'where', where }
  for i, value in ipairs(redis.call('HMGET', hash, unpack(KEPT))) do
    if value and value ~= '0' and value ~= '' and value ~= '{}' then
      stone[#stone + 1], stone[#stone + 2] = KEPT[i], value
    end
  end
  return stone
end

if not campaign or campaign.load ~= load then return 'gone' end
if not CAMPAIGN_MOVE.archive[campaign.state] or is_open(campaign) then return 'open' end
if is_changed() then return 'changed' end

local stone = tombstone()
redis.call('DEL', hash)
redis.call('HSET', hash, unpack(stone))
make_idle(campaign)
redis.call('ZREM', KEY.campaigns, id)
redis.call('HDEL', KEY.loads, load)
redis.call('HDEL', KEY.buckets, 'campaign:' .. id)
redis.call('HSET', KEY.graves, load, id .. ' ' .. math.ceil(campaign.groups / CHUNK))
-- So that sums over all campaigns never go down; named as in totals.lua.
redis.call('HINCRBY', KEY.archived, 'campaigns:archived', 1)
redis.call('HINCRBY', KEY.archived, 'gated_units', whole(campaign.gated_units))
redis.call('HINCRBY', KEY.archived, 'doubled', whole(campaign.doubled))
return 'buried'
