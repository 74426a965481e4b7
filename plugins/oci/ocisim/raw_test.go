package ocisim

import (
	"bufio"
	"net"
	"net/http"
	"strings"
)

// raw sends bytes as they are and reads the answer.
func (b *testbed) raw(request string) *http.Response {
	b.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
	b.must(err)
	b.Cleanup(func() { conn.Close() })
	_, err = conn.Write([]byte(request))
	b.must(err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	b.must(err)
	return resp
}

// cutOff sends bytes and closes the connection without reading.
func (b *testbed) cutOff(request string) {
	b.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL, "http://"))
	b.must(err)
	_, err = conn.Write([]byte(request))
	b.must(err)
	b.must(conn.Close())
}
