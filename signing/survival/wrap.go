package survival

import "bytes"

// wrap breaks the lines of a text that are longer than the limit as Postfix does
// at delivery: behind every limit octets CR LF SPACE (smtp_proto.c, smtp_text_out).
func wrap(text []byte, limit int) []byte {
	var out []byte
	for _, line := range bytes.SplitAfter(text, []byte("\r\n")) {
		for len(bytes.TrimSuffix(line, []byte("\r\n"))) > limit {
			out = append(append(out, line[:limit]...), "\r\n "...)
			line = line[limit:]
		}
		out = append(out, line...)
	}
	return out
}

// longestLine returns the octets of the longest line, without its end.
func longestLine(text []byte) int {
	longest := 0
	for line := range bytes.SplitSeq(text, []byte("\r\n")) {
		longest = max(longest, len(line))
	}
	return longest
}
