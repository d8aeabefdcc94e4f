-- KEYS  windows
-- ARGV  lease, then for each window: every, width
-- Returns what is used of each: sent, or under way.
local t, lease = now(), tonumber(ARGV[1])
local used = {}
for k = 1, #KEYS do
  local sum, reserved = open(KEYS[k], t, tonumber(ARGV[2 * k]), tonumber(ARGV[2 * k + 1]), lease)
  used[k] = sum + reserved
end
return used
