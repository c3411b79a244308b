-- control.lua: pause, resume or cancel a campaign.
-- ARGV: now, id, command (pause | resume | cancel), reason
-- returns: the campaign's state and reason afterwards; {} for an unknown id.
-- A command that does not fit the state changes nothing: the caller compares.
local id, command, reason = ARGV[2], ARGV[3], ARGV[4]
local campaign = open(id)
if not campaign then return {} end

local commands = {}

function commands.pause()
  campaign.state, campaign.reason = 'paused', reason
  make_idle(campaign)
end

function commands.resume()
  campaign.state, campaign.reason, campaign.resumed_at = 'running', '', NOW
  if campaign.starts_at > NOW then
    campaign.state = 'scheduled'
    make_later(campaign, campaign.starts_at)
  else join(campaign) end
end

function commands.cancel()
  cancel(campaign, reason)
end

if CAMPAIGN_MOVE[command][campaign.state] then
  commands[command]()
  flush()
end
return { campaign.state, campaign.reason }
