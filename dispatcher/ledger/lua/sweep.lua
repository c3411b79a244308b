-- sweep.lua: whoever no final word came about for too long becomes unconfirmed.
-- ARGV: now, after_ms (since the gate), limit (chunks in this call)
-- returns: recipients that became unconfirmed, 1 if more chunks are due
-- A chunk is looked at again when the next of its groups is due, and forgotten when
-- nothing is to come: settle.lua puts it back when another group is accepted.
-- needs: deliveries
local after_ms, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local over = NOW - after_ms
local AGAIN_MS = 1000 -- between two looks at one chunk
local unconfirmed = 0

local function numbers(campaign, chunk)
  local list = {}
  for group = chunk * CHUNK, math.min(campaign.groups, (chunk + 1) * CHUNK) - 1 do
    list[#list + 1] = group
  end
  return list
end

-- Members without a final word, of one group.
local function open_members(campaign, group, r)
  local size, found = size_of(campaign, group), {}
  local slots = slots_of(campaign, group, size)
  for member = 0, size - 1 do
    if slots[member * SLOT + 1] < RANK.unconfirmed and not is_dropped(r, member) then
      found[#found + 1] = member
    end
  end
  return found
end

-- When the first group left to wait for passed the gate; nil when there is none.
local function look(campaign, chunk)
  local groups, first = numbers(campaign, chunk), nil
  prefetch(campaign, groups)
  prefetch_deliveries(campaign, groups)
  for _, group in ipairs(groups) do
    local r = record(campaign, group)
    local members = r.state == STATE.accepted and open_members(campaign, group, r) or {}
    if #members > 0 and r.gated_at > over then
      first = math.min(first or r.gated_at, r.gated_at)
    else
      for _, member in ipairs(members) do
        advance(campaign, group, r, member, RANK.unconfirmed, 0, 0)
      end
      unconfirmed = unconfirmed + #members
    end
  end
  return first
end

local due = redis.call('ZRANGEBYSCORE', KEY.awaiting, '-inf', over, 'LIMIT', 0, limit)
for _, name in ipairs(due) do
  local id, chunk = string.match(name, '^(.*)|(%d+)$')
  local campaign = open(id)
  local first = campaign and look(campaign, tonumber(chunk))
  if first then
    redis.call('ZADD', KEY.awaiting, whole(math.max(first, over + AGAIN_MS)), name)
  else redis.call('ZREM', KEY.awaiting, name) end
end
flush()
return { unconfirmed, #due == limit and 1 or 0 }
