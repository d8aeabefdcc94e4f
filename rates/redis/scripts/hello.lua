-- Makes a process the owner of an instance, and tells what is known of that one: it may
-- be more, less or other than the process believes.
-- KEYS  the instance, its places
-- ARGV  owner, how long the instance is remembered, the last batch that the process
--       knows to have arrived, age in seconds of the oldest thing that is not in it
--       (-1: there is something older)
-- Returns second, then the fields and values as they were.
local t = now()
local was = redis.call('HGETALL', KEYS[1])
local last = redis.call('HMGET', KEYS[1], 'owner', 'seq')
if ARGV[4] ~= '-1' and last[1] == ARGV[1] and last[2] == ARGV[3] then
  redis.call('HSET', KEYS[1], 'through', t - tonumber(ARGV[4]))
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'at', t)
redis.call('HSETNX', KEYS[1], 'seq', 0)
redis.call('EXPIRE', KEYS[1], ARGV[2])
table.insert(was, 1, tostring(t))
return was
