-- The health of every kind of ours, by the conditions that all of them have: Ready, Reconciling, Stalled. What was declared
-- after the conditions were written makes them old news. What waits for leave, for its window, or is paused is Suspended:
-- nothing is wrong, and nothing moves before somebody or the hour says so.
local waits = { AwaitingApproval = true, AwaitingWindow = true, Paused = true }

local function progressing(message)
  return { status = "Progressing", message = message }
end

local status = obj.status
if status == nil or status.conditions == nil then
  return progressing("nobody has looked at it yet")
end
if status.observedGeneration ~= nil and obj.metadata.generation ~= nil
    and status.observedGeneration ~= obj.metadata.generation then
  return progressing("what is said of it is of an earlier declaration")
end
if obj.metadata.deletionTimestamp ~= nil then
  return progressing("it is being deleted: what it changed is put back first")
end

local said = {}
for _, condition in ipairs(status.conditions) do
  said[condition.type] = condition
end

local function holds(type)
  return said[type] ~= nil and said[type].status == "True"
end

local function message(type)
  if said[type] ~= nil and said[type].message ~= nil then
    return said[type].message
  end
  return ""
end

if holds("Stalled") then
  return { status = "Degraded", message = message("Stalled") }
end
if holds("Ready") then
  return { status = "Healthy", message = message("Ready") }
end
if said.Ready ~= nil and waits[said.Ready.reason] then
  return { status = "Suspended", message = message("Ready") }
end
return progressing(message("Ready"))
