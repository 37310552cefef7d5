-- What wrk asks and counts: `wrk -s wrk.lua URL -- BODY SETTLE [HEADER]`. One path (that of the URL); each answer has to begin with BODY, and to end with "?" and
-- the number that was asked behind the path. Of answers with X-Profile the ids of recordings are kept. Timed are the requests that were asked SETTLE seconds after the
-- beginning or later: all connect at once, and how long a server takes to accept them is not how long it takes to answer. When all is over, one line of
-- JSON is printed (wrk.py reads it).

local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } wrk_lua_time; int clock_gettime(int clock, wrk_lua_time *now);")

local MONOTONIC, STEP_US = 1, 100
local now, threads = ffi.new("wrk_lua_time"), {}

local function clock_us()
    ffi.C.clock_gettime(MONOTONIC, now)
    return tonumber(now.s) * 1e6 + tonumber(now.ns) / 1e3
end

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    body, wrong, first_wrong, told, ids = args[1], 0, "", 0, ""
    local name, value = string.match(args[3] or "", "^(.-): (.*)$")
    if name then
        wrk.headers[name] = value
    end
    before, after = string.match(wrk.format("GET", wrk.path .. "?@"), "^(.-)@(.*)$")
    number, begun_us, settled_us, times = 0, {}, clock_us() + 1e6 * tonumber(args[2]), {}
end

function request()
    number = number + 1
    begun_us[number] = clock_us()
    return before .. number .. after
end

local function profile_of(headers)
    return headers["X-Profile"] or headers["x-profile"]
end

-- False: it is not the answer of a request.
local function time(answer)
    local which = tonumber(string.match(string.sub(answer, -20), "%?(%d+)$"))
    local began_us = which and begun_us[which]
    if not began_us then
        return false
    end
    begun_us[which] = nil
    if began_us >= settled_us then
        local step = string.format("%d", (clock_us() - began_us) / STEP_US)
        times[step] = (times[step] or 0) + 1
    end
    return true
end

function response(status, headers, answer)
    local profile = profile_of(headers)
    if status ~= 200 or string.sub(answer, 1, #body) ~= body or not time(answer) then
        wrong = wrong + 1
        first_wrong = string.format("%d %s", status, answer)
    elseif profile then
        told = told + 1
        local id = string.match(profile, " id=(%S+)")
        if id then
            ids = ids .. id .. " "
        end
    end
end

local function quoted(text)
    return '"' .. string.gsub(text, "[^%w ,.:;/_-]", "?") .. '"'
end

function done(summary, latency, requests)
    local wrong_all, what, told_all, ids_all, times_all = 0, "", 0, "", {}
    for _, thread in ipairs(threads) do
        wrong_all, told_all = wrong_all + thread:get("wrong"), told_all + thread:get("told")
        what, ids_all = what .. thread:get("first_wrong"), ids_all .. thread:get("ids")
        for step, count in pairs(thread:get("times")) do
            table.insert(times_all, string.format("[%d,%d]", step * STEP_US, count))
        end
    end
    local errors = summary.errors
    io.write(string.format(
        '\nWRK {"requests":%d,"wrong":%d,"first_wrong":%s,"broken":%d,"told":%d,"ids":%s,"times_us":[%s]}\n',
        summary.requests, wrong_all, quoted(what), errors.connect + errors.read + errors.write + errors.timeout,
        told_all, quoted(ids_all), table.concat(times_all, ",")))
end
