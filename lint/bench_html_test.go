package lint

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"strings"
	"testing"
)

// newsletter is html of about a size as a mail builder writes it: tables in tables, most
// of them with one of a few dozen styles, every link and picture with an address of its
// own, words of several languages. The same seed makes the same document.
func newsletter(size int) string {
	random := rand.New(rand.NewPCG(7, 7))
	words := strings.Fields(`the and your offer from this week only summer collection delivered free shipping on all orders over discover more new
		arrivals hand made leather shoes jacket with a linen lining now available in three colours read story behind it limited edition members save
		twenty percent until sunday midnight see details terms apply für schöne Größe été à la carte naïve señor mañana façade`)
	text := func(n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(words[random.IntN(len(words))])
			if random.IntN(12) == 0 {
				b.WriteString([]string{",", ".", "!", " &amp;", "&nbsp;–"}[random.IntN(5)])
			}
		}
		return b.String()
	}
	token := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[random.IntN(64)]
		}
		return string(b)
	}
	link := func() string {
		return fmt.Sprintf("https://click.news.example.org/f/a/%s~~/%s?id=%d&amp;utm_source=newsletter&amp;utm_medium=email", token(22), token(40), random.IntN(1e6))
	}
	var b strings.Builder
	b.WriteString(newsletterHead)
	for item := 0; b.Len() < size-200; item++ {
		fmt.Fprintf(&b, `
<!--[if mso | IE]><table align="center" border="0" cellpadding="0" cellspacing="0" style="width:600px;" width="600"><tr><td style="line-height:0px;font-size:0px;mso-line-height-rule:exactly;"><![endif]-->
<div style="background:#ffffff;background-color:#ffffff;margin:0px auto;max-width:600px;">
  <table align="center" border="0" cellpadding="0" cellspacing="0" role="presentation" style="background:#ffffff;background-color:#ffffff;width:100%%;">
    <tbody>
      <tr>
        <td style="direction:ltr;font-size:0px;padding:20px 0;padding-bottom:%dpx;text-align:center;">
          <div class="mj-column-per-50 mj-outlook-group-fix" style="font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%%;">
            <table border="0" cellpadding="0" cellspacing="0" role="presentation" style="vertical-align:top;" width="100%%">
              <tr>
                <td align="center" style="font-size:0px;padding:10px 25px;word-break:break-word;">
                  <a href="%s" target="_blank" style="color:#1155cc;text-decoration:none;"><img alt="%s" height="auto" src="https://images.example.org/%s/%d.jpg" style="border:0;display:block;outline:none;text-decoration:none;height:auto;width:100%%;font-size:13px;" width="280" /></a>
                </td>
              </tr>
              <tr>
                <td align="left" style="font-size:0px;padding:10px 25px;word-break:break-word;">
                  <div style="font-family:Helvetica, Arial, sans-serif;font-size:20px;font-weight:bold;line-height:24px;text-align:left;color:#333333;">%s</div>
                </td>
              </tr>
              <tr>
                <td align="left" style="font-size:0px;padding:10px 25px;word-break:break-word;">
                  <div style="font-family:Helvetica, Arial, sans-serif;font-size:14px;line-height:22px;text-align:left;color:#555555;">%s <strong>%s</strong> %s<br /><br />%s</div>
                </td>
              </tr>
              <tr>
                <td align="center" bgcolor="#414141" role="presentation" style="border:none;border-radius:3px;cursor:auto;mso-padding-alt:10px 25px;background:#414141;" valign="middle">
                  <a href="%s" style="display:inline-block;background:#414141;color:#ffffff;font-family:Helvetica, Arial, sans-serif;font-size:13px;font-weight:normal;line-height:120%%;margin:0;text-decoration:none;padding:10px 25px;border-radius:3px;" target="_blank">%s</a>
                </td>
              </tr>
            </table>
          </div>
        </td>
      </tr>
    </tbody>
  </table>
</div>
<!--[if mso | IE]></td></tr></table><![endif]-->`,
			item%4*10, link(), text(4), token(8), item, text(5), text(30), text(3), text(20), text(25), link(), text(3))
	}
	b.WriteString("\n<p style=\"font-size:11px;color:#999999\">You get this because you signed up. <a href=\"https://news.example.org/unsubscribe/" + token(30) + "\">Unsubscribe</a></p>\n</body>\n</html>\n")
	return b.String()
}

const newsletterHead = `<!doctype html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">
<head>
  <title>News of the week</title>
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <style type="text/css">
    #outlook a { padding: 0; }
    body { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }
    table, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }
    img { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; -ms-interpolation-mode: bicubic; }
    p { display: block; margin: 13px 0; }
    @media only screen and (min-width:480px) {
      .mj-column-per-50 { width: 50% !important; max-width: 50%; }
    }
  </style>
</head>
<body style="word-spacing:normal;background-color:#f4f4f4;">
  <div style="display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;max-width:0px;opacity:0;overflow:hidden;">This week: shoes, jackets and the story behind them</div>
`

// newsletterMessage is a multipart/alternative with a newsletter in this transfer encoding.
func newsletterMessage(tb testing.TB, encoding string, size int) benchBody {
	document := strings.ReplaceAll(newsletter(size), "\n", "\r\n")
	var encoded bytes.Buffer
	switch encoding {
	case "quoted-printable":
		w := quotedprintable.NewWriter(&encoded)
		if _, err := w.Write([]byte(document)); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
	case "base64":
		digits := base64.StdEncoding.EncodeToString([]byte(document))
		for len(digits) > 76 {
			encoded.WriteString(digits[:76] + "\r\n")
			digits = digits[76:]
		}
		encoded.WriteString(digits)
	default:
		encoded.WriteString(document)
	}
	return benchBody{name: "newsletter-" + encoding + "-1MiB", fields: "Content-Type: multipart/alternative; boundary=b\r\n", body: []byte(
		"--b\r\nContent-Type: text/plain\r\n\r\nNews of the week: shoes, jackets and the story behind them. New arrivals, hand made, limited edition.\r\n" +
			"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + encoded.String() + "\r\n--b--\r\n")}
}
