-- doubt.lua: which writes of unknown outcome to look for at the provider now.
-- One child at a time looks: it holds a short lease. A doubt is one serial of one
-- group; it stays on the list when its group is held or sent again, for its message
-- may be found later and then be a double.
-- ARGV: now, child, lease_ms, limit
-- returns: nothing when another child looks | now (ms), more (1: call again at once),
--          ms until the next look (-1: none), then for each doubt due: its name, id,
--          load, sender, group, serial, gated_at, newest serial, dropped,
--          unknown_at (-1: the group is not unknown)
local child, lease_ms, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local function is_mine()
  if redis.call('SET', KEY.reconciler, child, 'NX', 'PX', lease_ms) then return true end
  if redis.call('GET', KEY.reconciler) ~= child then return false end
  redis.call('PEXPIRE', KEY.reconciler, lease_ms)
  return true
end

if not is_mine() then return {} end

-- Accepted under the only serial it ever had: nothing is left to find.
local function is_clear(r) return r.state == STATE.accepted and r.tail ~= '' and r.serial == 1 end

local due = redis.call('ZRANGEBYSCORE', KEY.doubts, '-inf', NOW, 'LIMIT', 0, limit)
local following = redis.call('ZRANGEBYSCORE', KEY.doubts, '(' .. whole(NOW), '+inf',
                             'WITHSCORES', 'LIMIT', 0, 1)
local next_ms = following[2] and tonumber(following[2]) - NOW or -1

local reply = { NOW, #due == limit and 1 or 0, next_ms }
for _, name in ipairs(due) do
  local id, number, serial, gated_at = string.match(name, '^(.*)|(%d+)|(%d+)|(%d+)$')
  local campaign, group = open(id), tonumber(number)
  local r = campaign and record(campaign, group)
  if not campaign or is_clear(r) then redis.call('ZREM', KEY.doubts, name)
  else
    local unknown_at = redis.call('ZSCORE', KEY.unknown, id .. '|' .. number)
    for _, value in ipairs({
      name, id, campaign.load, campaign.sender, group, tonumber(serial),
      tonumber(gated_at), r.serial, dropped_at(campaign, group, r, serial),
      tonumber(unknown_at or -1),
    }) do reply[#reply + 1] = value end
  end
end
return reply
