-- deliveries.lua: three bytes a member of an accepted group, rank and code.

-- How many members a group has: a byte each, behind the head of its chunk.
local function size_of(campaign, group)
  local chunk = math.floor(group / CHUNK)
  local sizes = campaign.sizes[chunk]
  if not sizes then
    local name = key('groups', campaign.load, chunk)
    sizes = redis.call('GETRANGE', name, SIZES_AT, SIZES_AT + CHUNK - 1)
    campaign.sizes[chunk] = sizes
  end
  return string.byte(sizes, group % CHUNK + 1) or 0
end

local function is_dropped(r, member)
  return bit.band(bit.rshift(r.dropped, member), 1) == 1
end

local function read_slots(raw) return raw and { string.byte(raw, 1, -1) } or {} end

local function prefetch_deliveries(campaign, groups)
  read_many(campaign, 'delivery', groups, read_slots)
end

-- A group's bytes, all of them, zeros where no event came so far.
local function slots_of(campaign, group, size)
  local slots = campaign.delivery[group]
  for at = #slots + 1, size * SLOT do slots[at] = 0 end
  return slots
end

-- Moves a member up to a rank; nothing when it stands there or higher already, so
-- that order and repetition do not matter.
local function advance(campaign, group, r, member, rank, high, low)
  local slots, at = campaign.delivery[group], member * SLOT + 1
  local before = slots[at]
  if rank <= before then return false end
  slots[at], slots[at + 1], slots[at + 2] = rank, high, low
  campaign.moved[group] = slots
  -- Nothing was expected of a dropped member.
  if before > 0 or not is_dropped(r, member) then
    campaign[TALLY[before]] = campaign[TALLY[before]] - 1
  end
  campaign[TALLY[rank]] = campaign[TALLY[rank]] + 1
  return true
end

writers[#writers + 1] = function(campaign)
  write_many(campaign, 'delivery', campaign.moved, function(slots)
    return string.char(unpack(slots))
  end)
end
