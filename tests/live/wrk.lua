-- What wrk asks and counts: `wrk -s wrk.lua URL -- BODY HEADER`. One path (that of the URL); each answer has to begin with BODY. Of answers with X-Profile the ids
-- of recordings are kept. When all is over, one line of JSON is printed (wrk.py reads it).

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    body, wrong, first_wrong, told, ids = args[1], 0, "", 0, ""
    local name, value = string.match(args[2] or "", "^(.-): (.*)$")
    if name then
        wrk.headers[name] = value
    end
    asked = wrk.format()
end

function request()
    return asked
end

local function profile_of(headers)
    return headers["X-Profile"] or headers["x-profile"]
end

function response(status, headers, answer)
    local profile = profile_of(headers)
    if status ~= 200 or string.sub(answer, 1, #body) ~= body then
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
    local wrong_all, what, told_all, ids_all = 0, "", 0, ""
    for _, thread in ipairs(threads) do
        wrong_all, told_all = wrong_all + thread:get("wrong"), told_all + thread:get("told")
        what, ids_all = what .. thread:get("first_wrong"), ids_all .. thread:get("ids")
    end
    local times = {}
    for at = 1, #latency do
        local us, count = latency(at)
        times[at] = string.format("[%d,%d]", us, count)
    end
    local errors = summary.errors
    io.write(string.format(
        '\nWRK {"requests":%d,"wrong":%d,"first_wrong":%s,"broken":%d,"told":%d,"ids":%s,"times_us":[%s]}\n',
        summary.requests, wrong_all, quoted(what), errors.connect + errors.read + errors.write + errors.timeout,
        told_all, quoted(ids_all), table.concat(times, ",")))
end
