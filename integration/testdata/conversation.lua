-- Several messages on one connection, as an MTA sends them: each is judged by
-- itself, and nothing of one message is left over for the next.
-- Run by TestMiltertest, which gives "socket".

function must(err, what)
	if err ~= nil then error(what .. ": " .. err) end
end

function expect(conn, reply, what)
	if mt.getreply(conn) ~= reply then
		error(what .. " was answered " .. string.char(mt.getreply(conn)))
	end
end

function envelope(conn, id, sender)
	must(mt.macro(conn, SMFIC_MAIL, "i", id), "macro i")
	must(mt.mailfrom(conn, "<" .. sender .. ">"), "MAIL")
	expect(conn, SMFIR_CONTINUE, "MAIL")
	must(mt.rcptto(conn, "<recipient@example.net>"), "RCPT")
	expect(conn, SMFIR_CONTINUE, "RCPT")
end

function header(conn, fields)
	for _, field in ipairs(fields) do
		must(mt.header(conn, field[1], field[2]), field[1])
	end
	must(mt.eoh(conn), "end of header")
end

function body(conn, text)
	must(mt.bodystring(conn, text), "body")
	must(mt.eom(conn), "end of message")
end

function signatures(conn)
	local n = 0
	while mt.getheader(conn, "DKIM-Signature", n) ~= nil do n = n + 1 end
	return n
end

date = os.date("!%a, %d %b %Y %H:%M:%S +0000")
good = {
	{ "From", "sender@example.org" }, { "To", "recipient@example.net" },
	{ "Subject", "a message" }, { "Date", date }, { "Message-ID", "<1@example.org>" },
}

conn = mt.connect(socket)
if conn == nil then error("connect to " .. socket) end
must(mt.conninfo(conn, "localhost", "127.0.0.1"), "conninfo")
expect(conn, SMFIR_CONTINUE, "conninfo")
must(mt.helo(conn, "client.example.org"), "HELO")
expect(conn, SMFIR_CONTINUE, "HELO")

-- A good message gets both signatures and nothing else.
envelope(conn, "first", "sender@example.org")
header(conn, good)
body(conn, "text\r\n")
expect(conn, SMFIR_ACCEPT, "a good message")
if signatures(conn) ~= 2 then error("a good message has " .. signatures(conn) .. " signatures") end
if mt.eom_check(conn, MT_HDRCHANGE) or mt.eom_check(conn, MT_HDRDELETE) or mt.eom_check(conn, MT_BODYCHANGE) then
	error("a good message was changed")
end

-- What is missing is added.
envelope(conn, "second", "sender@example.org")
header(conn, { { "From", "sender@example.org" }, { "To", "recipient@example.net" }, { "Subject", "bare" } })
body(conn, "text\r\n")
expect(conn, SMFIR_ACCEPT, "a message without Date and Message-ID")
for _, name in ipairs({ "Date", "Message-ID" }) do
	if mt.getheader(conn, name, 0) == nil then error(name .. " was not added") end
end
if signatures(conn) ~= 2 then error("a mended message has " .. signatures(conn) .. " signatures") end

-- A message that is given up half-way leaves no trace.
envelope(conn, "third", "sender@example.org")
must(mt.header(conn, "From", "one@example.org"), "From")
must(mt.abort(conn), "abort")

-- Two From fields are refused.
envelope(conn, "fourth", "sender@example.org")
for _, field in ipairs({ good[1], good[1], good[2], good[4], good[5] }) do
	must(mt.header(conn, field[1], field[2]), field[1])
end
must(mt.eoh(conn), "end of header")
if mt.getreply(conn) == SMFIR_CONTINUE then body(conn, "text\r\n") end
expect(conn, SMFIR_REPLYCODE, "two From fields")
must(mt.abort(conn), "abort")

-- And the next good one is signed again.
envelope(conn, "fifth", "sender@example.org")
header(conn, good)
body(conn, "text\r\n")
expect(conn, SMFIR_ACCEPT, "the last message")
if signatures(conn) ~= 2 then error("the last message has " .. signatures(conn) .. " signatures") end

must(mt.disconnect(conn), "disconnect")
