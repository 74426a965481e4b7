package local

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const (
	childEnv   = "HX_LOCAL_CHILD" // the container that the child uploads into
	childParts = 8
)

// uploadForever is the child: it sends the parts of the upload named in the environment again and again, each time with
// other bytes in the odd rounds and the right ones in the even, and says so after each.
func uploadForever(dir string) {
	s := New(Options{}).proto.at(dir)
	u := backend.Upload{Key: "k", ID: os.Getenv("HX_LOCAL_UPLOAD")}
	right := noise(childParts*partSize, 1)
	for round := 0; ; round++ {
		for n := 1; n <= childParts; n++ {
			p := bytes.Clone(right[(n-1)*partSize : n*partSize])
			if round%2 == 1 {
				clear(p[:len(p)/2])
			}
			if _, err := s.UploadPart(context.Background(), u, n, p, ""); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println("part", n)
		}
	}
}

// A process is killed in the midst of a part, at many moments: what the list then says is what the bytes are, and another
// process goes on and completes.
func TestKilledWhileUploading(t *testing.T) {
	s, ctx := open(t, t.TempDir()), t.Context()
	right := noise(childParts*partSize, 1)
	u := create(t, s, "k", int64(len(right)))
	for i := range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+s.dir, "HX_LOCAL_UPLOAD="+u.ID)
		out := must(cmd.StdoutPipe())(t)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for seen := 0; seen < 3+i*5 && lines.Scan(); seen++ {
			if !strings.HasPrefix(lines.Text(), "part") {
				t.Errorf("child: %s", lines.Text())
			}
		}
		moment := time.NewTimer(time.Duration(i) * 100 * time.Microsecond) // so that the kill is not always right after a part
		<-moment.C
		cmd.Process.Kill()
		cmd.Wait()
		up := must(s.openUpload(ctx, u, false))(t)
		for _, part := range up.car.sorted() {
			if ok, err := up.holds(ctx, part, "no writer"); err != nil || !ok {
				t.Errorf("kill %d: the list names part %d, but its bytes are others (%v)", i, part.Number, err)
			}
		}
		up.Close()
	}
	have := map[int]backend.Part{}
	for _, part := range parts(t, s, u) {
		have[part.Number] = part
	}
	var list []backend.Part
	for n := 1; n <= childParts; n++ {
		p := right[(n-1)*partSize : n*partSize]
		part, ok := have[n]
		if !ok || part.Checksum != backend.SumCRC32C(p) {
			part = send(t, s, u, right, n)
		}
		list = append(list, part)
	}
	must(s.CompleteUpload(ctx, u, list, backend.CompleteOptions{Checksum: backend.SumCRC32C(right)}))(t)
	if !bytes.Equal(read(t, s, "k"), right) {
		t.Error("other bytes")
	}
}
