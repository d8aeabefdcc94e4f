package lint

import (
	"strings"
	"testing"
)

func TestHiddenText(t *testing.T) {
	text := strings.Repeat("word ", 50)
	tests := map[string]bool{ // %: text that is over what a preheader has
		"<p>%":                                                                                           false,
		"<p style='display:none'>%":                                                                      true,
		"<p style='DISPLAY : NONE'>%":                                                                    true,
		"<p style='display:none'>x</p><p>%":                                                              false,
		"<p style='display:none'>x<p>%":                                                                  false,
		"<p style='display:none'>x<div>%":                                                                false,
		"<table><tr><td style='display:none'>x<td>%":                                                     false,
		"<td style='display:none'><table><tr><td>%</td></tr></table>":                                    true,
		"<div style='display:none'><p>x</div>%":                                                          false,
		"<div style='display:none'><b>x</div></b>%":                                                      false,
		"<br style='display:none'>%":                                                                     false,
		"<div hidden>%":                                                                                  true,
		"<div style='display:none' class=phone>%":                                                        false,
		"<div style='display:none' id=phone>%":                                                           false,
		"<div style='display:none'><p class=phone>%":                                                     true,
		"<div style='visibility:hidden'>%":                                                               true,
		"<div style='visibility:hidden'><p style='visibility:visible'>%":                                 false,
		"<div style='font-size:0'>%":                                                                     true,
		"<div style='font-size:0.0em !important'>%":                                                      true,
		"<div style='font-size:0.5em'>%":                                                                 false,
		"<div style='font-size:0'><p style='font-size:14px'>%":                                           false,
		"<div style='font-size:0'><p style='font-size:inherit'>%":                                        true,
		"<div style='font-size:0'><p class=a>%":                                                          false,
		"<div style='font-size:0'><p style='font:14px/20px Arial'>%":                                     false,
		"<div style='font-size:0'><font size=2>%":                                                        false,
		"<div style='font-size:0'><table><tr><td>%":                                                      false,
		"<div style='font-size:10px'>%":                                                                  false,
		"<div style='color:#fff;background:#FFFFFF'>%":                                                   true,
		"<div style='color:white;background:rgb(255, 255, 255)'>%":                                       true,
		"<div style='color:white;background:#fff url(x)'>%":                                              false,
		"<div style='color:white;background:linear-gradient(#fff,#000)'>%":                               false,
		"<div style='color:white;background-color:#fff;background-image:url(x)'>%":                       false,
		"<div style='color:white;background:no-repeat #fff'>%":                                           true,
		"<div style='color:white'>%":                                                                     false,
		"<body bgcolor=#ffffff><font color=#ffffff>%":                                                    true,
		"<td bgcolor=#ffffff background=x.png><font color=#ffffff>%":                                     false,
		"<td bgcolor=#ffffff><p class=dark><font color=#ffffff>%":                                        false,
		"<div style='color:#fff;background:#fff'><a href=x>%":                                            false,
		"<div style='color:#fff;background:#fff'><p style='color:#000'>%":                                false,
		"<div style='color:#fff;background:#fff'><p style='background:none;color:inherit'>%":             true,
		"<div style='/* display:none */ color: red'>%":                                                   false,
		"<div style='background:url(x;display:none)'>%":                                                  false,
		"<div style='font-family:&quot;a;b&quot;;display:none'>%":                                        true,
		"<div style='display:none'>" + strings.Repeat("&nbsp;&zwnj;&#8199;&#847;&shy; ", 200) + "</div>": false,
		"<style>%</style><title>%</title>%":                                                              false,
		strings.Repeat("<div>", 200) + "<div style='display:none'>%</div>":                               false,
		strings.Repeat("<div>", 200) + "x" + strings.Repeat("</div>", 200) + "<p hidden>%":               true,
		strings.Repeat("<div hidden>", 200) + "</div>%" + strings.Repeat("</div>", 200):                  false,
		strings.Repeat("<i hidden>x</i>%", 3):                                                            false,
		strings.Repeat("<i hidden>"+strings.Repeat("x", 149)+"</i>y", 4):                                 false,
		strings.Repeat("<i hidden>"+strings.Repeat("x", 149)+"</i>y", 5):                                 true,
		"<i hidden>" + strings.Repeat("x", 151):                                                          true,
	}
	for document, want := range tests {
		found := htmlFindings(t, DefaultOptions(), "T06", strings.ReplaceAll(document, "%", text))
		if (len(found) > 0) != want {
			t.Errorf("%.100s: %q, want a finding: %v", document, found, want)
		}
	}
}

func TestHiddenTextIsShownWithItsPlace(t *testing.T) {
	got := htmlFindings(t, DefaultOptions(), "T06", "<p>x\r\n<i hidden>"+strings.Repeat("x", 40)+"</i>\r\n<i hidden> two "+strings.Repeat("y", 200)+"</i>")
	want := `warn 243 characters, 203 at html line 3: "two ` + strings.Repeat("y", maxValue-4) + `"...`
	if len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
}
