-- The health of an application among applications is the health that it has itself.
local health = { status = "Progressing", message = "" }
if obj.status ~= nil and obj.status.health ~= nil then
  if obj.status.health.status ~= nil then
    health.status = obj.status.health.status
  end
  if obj.status.health.message ~= nil then
    health.message = obj.status.health.message
  end
end
return health
