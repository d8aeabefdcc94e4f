package ses

import (
	"testing"

	"pratique/watch/parts"
)

func TestRead(t *testing.T) {
	const bounce = `{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"a@example.net"}]},"mail":{"headers":[{"name":"message-id","value":"<m1@example.org>"}],"commonHeaders":{"messageId":"<other@example.org>"}}}`
	const wrapped = `{ "Type" : "Notification", "Message" : "{\"eventType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":[{\"emailAddress\":\"a@example.net\"}]},\"mail\":{\"commonHeaders\":{\"messageId\":\"<m1@example.org>\"}}}" }`
	for name, message := range map[string]string{
		"plain":    "A: b\n\n" + bounce + "\n\n-- \nIf you wish to stop\n",
		"folded":   "A: b\n\n" + bounce[:60] + "!\r\n " + bounce[60:],
		"wrapped":  "Content-Type: application/json\n\n" + wrapped,
		"in parts": "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + bounce + "\n--b--\n",
	} {
		n := Read(parts.Read([]byte(message)))
		if n == nil || len(n.Bounce.Recipients) != 1 || n.Bounce.Recipients[0].Address != "a@example.net" || n.MessageID() != "<m1@example.org>" {
			t.Errorf("%s: %+v", name, n)
		}
	}
	for _, message := range []string{"", "A: b\n\n{", "A: b\n\n{}", "A: b\n\n{\"Message\":\"{\"}", "A: b\n\n" + bounce[:70], "Content-Type: text/html\n\n" + bounce} {
		if n := Read(parts.Read([]byte(message))); n != nil {
			t.Errorf("%q: %+v", message, n)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("A: b\n\n{\"notificationType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":[{}]}}"))
	f.Add([]byte("A: b\n\n{\"Message\":\"{}\"}"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if n := Read(parts.Read(message)); n != nil && n.Type == "" && n.Event == "" {
			t.Errorf("%+v", n)
		}
	})
}
