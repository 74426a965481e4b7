package ocisim

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// The vectors are those that Oracle publishes with its documentation of request signatures and tests its SDKs with: a key of
// 1024 bits, a GET and a POST, and their signatures.
const (
	vectorKeyID = "ocid1.tenancy.oc1..aaaaaaaaba3pv6wkcr4jqae5f15p2b2m2yt2j6rx32uzr4h25vqstifsfdsq/" +
		"ocid1.user.oc1..aaaaaaaat5nvwcna5j6aqzjcaty5eqbb6qt2jvpkanghtgdaqedqw3rynjq/20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
	vectorHost  = "iaas.us-phoenix-1.oraclecloud.com"
	vectorDate  = "Thu, 05 Jan 2014 21:31:40 GMT"
	vectorQuery = "availabilityDomain=Pjwf%3A%20PHX-AD-1&compartmentId=ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa" +
		"&displayName=TeamXInstances&volumeId=ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
	vectorBody = `{
    "compartmentId": "ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa",
    "instanceId": "ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a",
    "volumeId": "ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
}`
	vectorGetSignature = "GBas7grhyrhSKHP6AVIj/h5/Vp8bd/peM79H9Wv8kjoaCivujVXlpbKLjMPeDUhxkFIWtTtLBj3sUzaFj34XE6YZAHc9r2DmE4pMwOAy/kiITcZxa1oHPOeRheC0jP2" +
		"dqbTll8fmTZVwKZOKHYPtrLJIJQHJjNvxFWeHQjMaR7M="
	vectorPostSignature = "Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/Ml8DRhqlocMwoSXv0fbukP8J5N80LCmzT/FFBvIvTB91XuX" +
		"I3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso="
	vectorPublicKey = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3
6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6
Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw
oYi+1hqp1fIekaxsyQIDAQAB
-----END PUBLIC KEY-----`
)

func vectorRequest(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = vectorHost
	r.Header.Set("Date", vectorDate)
	return r
}

func TestPublishedVectors(t *testing.T) {
	keys := newKeyring()
	if err := keys.addPEM(vectorKeyID, vectorPublicKey); err != nil {
		t.Fatal(err)
	}
	now, err := http.ParseTime(vectorDate)
	if err != nil {
		t.Fatal(err)
	}
	get := vectorRequest("GET", "/20160918/instances?"+vectorQuery, "")
	post := vectorRequest("POST", "/20160918/volumeAttachments", vectorBody)
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("X-Content-Sha256", "V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0=")
	for name, tc := range map[string]struct {
		r         *http.Request
		headers   string
		signature string
	}{
		"get":  {get, "date (request-target) host", vectorGetSignature},
		"post": {post, "date (request-target) host content-length content-type x-content-sha256", vectorPostSignature},
	} {
		header := fmt.Sprintf(`Signature version="1",headers="%s",keyId="%s",algorithm="rsa-sha256",signature="%s"`, tc.headers, vectorKeyID, tc.signature)
		sig, err := parseSignature(header)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key := keys.get(sig.keyID)
		if _, err := sig.verify(tc.r, key, now, name == "post"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := sig.verify(tc.r, key, now.Add(5*time.Minute+time.Second), name == "post"); err == nil {
			t.Errorf("%s: accepted with a skew of more than five minutes", name)
		}
		tc.r.Host = "example.com"
		if _, err := sig.verify(tc.r, key, now, name == "post"); err == nil {
			t.Errorf("%s: accepted for another host", name)
		}
	}
}

// signed is a request as some client might sign it. Zero fields take what a correct client does.
type signed struct {
	method, path, body string
	signBody           string // what the hash is taken of, if not body
	date               time.Time
	xDate              bool
	headers            string
	header             func(headers, keyID, signature string) string
	keyID              string
	after              func(*http.Request) // tampering
}

func (b *testbed) send(s signed) *http.Response {
	b.Helper()
	r, err := http.NewRequestWithContext(b.ctx, s.method, b.URL+s.path, strings.NewReader(s.body))
	b.must(err)
	body := s.method == "POST" || s.method == "PUT"
	name := "Date"
	if s.xDate {
		name = "X-Date"
	}
	if s.headers == "" {
		s.headers = strings.ToLower(name) + " (request-target) host"
		if body {
			s.headers += " content-length content-type x-content-sha256"
		}
	}
	if s.date.IsZero() {
		s.date = b.clock.Now()
	}
	if strings.Contains(s.headers, "opc-obo-token") {
		r.Header.Set("opc-obo-token", "token")
	}
	r.Header.Set(name, s.date.UTC().Format(http.TimeFormat))
	if body {
		r.Header.Set("Content-Type", "application/json")
		if s.signBody == "" {
			s.signBody = s.body
		}
		sum := sha256.Sum256([]byte(s.signBody))
		r.Header.Set("X-Content-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
	}
	var lines []string
	for _, h := range strings.Fields(s.headers) {
		value := r.Header.Get(h)
		switch strings.ToLower(h) {
		case "(request-target)":
			value = strings.ToLower(s.method) + " " + r.URL.RequestURI()
		case "host":
			value = r.URL.Host
		case "content-length":
			value = fmt.Sprint(len(s.body))
		}
		lines = append(lines, strings.ToLower(h)+": "+value)
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	signature, err := rsa.SignPKCS1v15(rand.Reader, testKey(), crypto.SHA256, sum[:])
	b.must(err)
	if s.keyID == "" {
		s.keyID, err = b.Provider.KeyID()
		b.must(err)
	}
	if s.header == nil {
		s.header = func(headers, keyID, signature string) string {
			return fmt.Sprintf(`Signature version="1",headers="%s",keyId="%s",algorithm="rsa-sha256",signature="%s"`, headers, keyID, signature)
		}
	}
	r.Header.Set("Authorization", s.header(s.headers, s.keyID, encode64(signature)))
	if s.after != nil {
		s.after(r)
	}
	resp, err := b.HTTP.Do(r)
	b.must(err)
	return resp
}

func (b *testbed) status(s signed) (int, string) {
	b.Helper()
	resp := b.send(s)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	b.must(err)
	var body struct{ Code, Message string }
	_ = json.Unmarshal(text, &body)
	if resp.StatusCode == 401 && resp.Header.Get("WWW-Authenticate") != `Casper realm="AUTH_casper"` {
		b.Errorf("401 without WWW-Authenticate: %v", resp.Header)
	}
	return resp.StatusCode, body.Code + " " + body.Message
}

func TestSignatures(t *testing.T) {
	b := newTestbed(t, Options{Clock: NewManualClock(testNow())})
	b.bucket("b")
	now := b.clock.Now()
	meta := "/n/" + *b.ns
	object := meta + "/b/b/o/o"
	full := "date (request-target) host content-length content-type x-content-sha256"
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tc := range []struct {
		name   string
		s      signed
		status int
		reason string
	}{
		{"get", signed{method: "GET", path: "/n"}, 200, ""},
		{"get with query", signed{method: "GET", path: "/n?compartmentId=a%2Fb%20c"}, 200, ""},
		{"x-date", signed{method: "GET", path: "/n", xDate: true}, 200, ""},
		{"x-date and another date", signed{method: "GET", path: "/n", xDate: true, after: set("Date", "Thu, 05 Jan 2014 21:31:40 GMT")}, 200, ""},
		{"parameters in another order", signed{method: "GET", path: "/n", header: func(h, k, s string) string {
			return fmt.Sprintf(`Signature algorithm="rsa-sha256", signature="%s",keyId="%s",headers="%s"`, s, k, h)
		}}, 200, ""},
		{"upper case names", signed{method: "GET", path: "/n", headers: "Date (request-target) Host"}, 200, ""},
		{"body", signed{method: "PUT", path: meta, body: "{}"}, 200, ""},
		{"four minutes late", signed{method: "GET", path: "/n", date: now.Add(-4 * time.Minute)}, 200, ""},
		{"an obo token", signed{method: "GET", path: "/n", headers: "date (request-target) host opc-obo-token"}, 401, "only an instance may act for a user"},

		{"no header", signed{method: "GET", path: "/n", after: func(r *http.Request) { r.Header.Del("Authorization") }}, 401, "no signature"},
		{"basic", signed{method: "GET", path: "/n", after: set("Authorization", "Basic dTpw")}, 401, "no signature"},
		{"six minutes late", signed{method: "GET", path: "/n", date: now.Add(-6 * time.Minute)}, 401, "skew"},
		{"six minutes early", signed{method: "GET", path: "/n", date: now.Add(6 * time.Minute)}, 401, "skew"},
		{"unknown key", signed{method: "GET", path: "/n", keyID: "a/b/c"}, 401, "unknown keyId"},
		{"date not signed", signed{method: "GET", path: "/n", headers: "(request-target) host"}, 401, "date is not signed"},
		{"host not signed", signed{method: "GET", path: "/n", headers: "date (request-target)"}, 401, "host is not signed"},
		{"target not signed", signed{method: "GET", path: "/n", headers: "date host"}, 401, "(request-target) is not signed"},
		{"signed twice", signed{method: "GET", path: "/n", headers: "date date (request-target) host"}, 401, "signed twice"},
		{"signed but absent", signed{method: "GET", path: "/n", headers: "date (request-target) host x-none"}, 401, "not sent"},
		{"body headers not signed", signed{method: "PUT", path: meta, body: "{}", headers: "date (request-target) host"}, 401, "content-length is not signed"},
		{"hash not signed", signed{method: "PUT", path: meta, body: "{}", headers: "date (request-target) host content-length content-type"}, 401, "x-content-sha256 is not signed"},
		{"type not signed", signed{method: "PUT", path: meta, body: "{}", headers: "date (request-target) host content-length x-content-sha256"}, 401, "content-type is not signed"},
		{"another body", signed{method: "PUT", path: meta, body: `{"a":1}`, signBody: `{"a":2}`}, 401, "does not match the body"},
		{"another hash", signed{method: "PUT", path: meta, body: "{}", after: set("X-Content-Sha256", "AAAA")}, 401, "does not match"},
		{"another type", signed{method: "PUT", path: meta, body: "{}", after: set("Content-Type", "text/plain")}, 401, "does not match"},
		{"another date", signed{method: "GET", path: "/n", after: set("Date", now.Add(time.Minute).Format(http.TimeFormat))}, 401, "does not match"},
		{"a repeated date", signed{method: "GET", path: "/n", after: func(r *http.Request) { r.Header.Add("Date", r.Header.Get("Date")) }}, 401, "does not match"},
		{"another query", signed{method: "GET", path: "/n", after: func(r *http.Request) { r.URL.RawQuery = "x=1" }}, 401, "does not match"},
		{"another path", signed{method: "GET", path: "/n", after: func(r *http.Request) { r.URL.Path = "/n/x" }}, 401, "does not match"},
		{"another host", signed{method: "GET", path: "/n", after: func(r *http.Request) { r.Host = "example.com" }}, 401, "does not match"},
		{"another algorithm", signed{method: "GET", path: "/n", header: func(h, k, s string) string {
			return fmt.Sprintf(`Signature version="1",headers="%s",keyId="%s",algorithm="hmac-sha256",signature="%s"`, h, k, s)
		}}, 401, "algorithm"},
		{"another version", signed{method: "GET", path: "/n", header: func(h, k, s string) string {
			return fmt.Sprintf(`Signature version="2",headers="%s",keyId="%s",algorithm="rsa-sha256",signature="%s"`, h, k, s)
		}}, 401, "version"},
		{"a parameter twice", signed{method: "GET", path: "/n", header: func(h, k, s string) string {
			return fmt.Sprintf(`Signature headers="%s",headers="date",keyId="%s",algorithm="rsa-sha256",signature="%s"`, h, k, s)
		}}, 401, "given twice"},
		{"not base64", signed{method: "GET", path: "/n", header: func(h, k, _ string) string {
			return fmt.Sprintf(`Signature headers="%s",keyId="%s",algorithm="rsa-sha256",signature="!"`, h, k)
		}}, 401, "base64"},
		{"malformed", signed{method: "GET", path: "/n", after: set("Authorization", `Signature headers="date`)}, 401, "malformed"},

		{"object data without body headers", signed{method: "PUT", path: object, body: "x", headers: "date (request-target) host"}, 200, ""},
		{"object data with body headers", signed{method: "PUT", path: object, body: "x", headers: full}, 200, ""},
		{"object data with a wrong hash", signed{method: "PUT", path: object, body: "x", signBody: "y", headers: full}, 401, "does not match the body"},
	} {
		status, text := b.status(tc.s)
		if status != tc.status || !strings.Contains(text, tc.reason) {
			t.Errorf("%s: got %d %s, want %d %s", tc.name, status, text, tc.status, tc.reason)
		}
	}
}

func TestSecurityToken(t *testing.T) {
	b := newTestbed(t, Options{})
	b.must(b.RegisterKey("ST$header.payload.signature", &testKey().PublicKey))
	status, _ := b.status(signed{method: "GET", path: "/n", keyID: "ST$header.payload.signature"})
	equal(t, "status", status, 200)
}

func TestChunkedSignedBody(t *testing.T) {
	b := newTestbed(t, Options{})
	status, text := b.status(signed{method: "PUT", path: "/n/" + *b.ns, body: "{}", after: func(r *http.Request) {
		r.ContentLength = -1
		r.Body = io.NopCloser(bytes.NewReader([]byte("{}")))
	}})
	if status != 401 || !strings.Contains(text, "content-length is signed but not sent") {
		t.Errorf("got %d %s", status, text)
	}
}

func TestKeyring(t *testing.T) {
	keys := newKeyring()
	for _, text := range []string{"", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"} {
		if err := keys.addPEM("id", text); err == nil {
			t.Errorf("accepted %q", text)
		}
	}
	der, err := x509.MarshalPKIXPublicKey(&testKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.addPEM("id", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))); err != nil {
		t.Fatal(err)
	}
	if !keys.get("id").Equal(&testKey().PublicKey) {
		t.Error("got another key back")
	}
}

func FuzzParseSignature(f *testing.F) {
	f.Add(`Signature version="1",headers="date (request-target) host",keyId="a/b/c",algorithm="rsa-sha256",signature="AAAA"`)
	f.Add(`Signature a="`)
	f.Fuzz(func(t *testing.T, text string) {
		sig, err := parseSignature(text)
		if err == nil && (sig.keyID == "" || len(sig.bytes) == 0 || len(slices.Compact(slices.Sorted(slices.Values(sig.headers)))) != len(sig.headers)) {
			t.Errorf("accepted %q as %v", text, sig)
		}
	})
}
