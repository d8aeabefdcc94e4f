-- An MTA of milter version 2 that offers header additions and changes only: no
-- protocol steps, no quarantine, no insertion at a place, no macros by request.
-- Run by TestMiltertest, which gives "socket".

function must(err, what)
	if err ~= nil then error(what .. ": " .. err) end
end

conn = mt.connect(socket)
if conn == nil then error("connect to " .. socket) end
-- The manual page has actions before steps; the program takes them the other way round.
must(mt.negotiate(conn, 2, 0, SMFIF_ADDHDRS + SMFIF_CHGHDRS), "negotiate")
must(mt.conninfo(conn, "localhost", "127.0.0.1"), "conninfo")
must(mt.helo(conn, "client.example.org"), "HELO")
must(mt.macro(conn, SMFIC_MAIL, "i", "old"), "macro i")
must(mt.mailfrom(conn, "<sender@example.org>"), "MAIL")
must(mt.rcptto(conn, "<recipient@example.net>"), "RCPT")
must(mt.header(conn, "From", "sender@example.org"), "From")
must(mt.header(conn, "Date", os.date("!%a, %d %b %Y %H:%M:%S +0000")), "Date")
must(mt.header(conn, "Message-ID", "<1@example.org>"), "Message-ID")
must(mt.eoh(conn), "end of header")
must(mt.bodystring(conn, "text\r\n"), "body")
must(mt.eom(conn), "end of message")
if mt.getreply(conn) ~= SMFIR_ACCEPT then
	error("answered " .. string.char(mt.getreply(conn)))
end
must(mt.disconnect(conn), "disconnect")
