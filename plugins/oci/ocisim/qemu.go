package ocisim

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const formatOCI = "OCI" // a tar of metadata and a QCOW2; the default of ExportImage

// qemuArgs returns the arguments of qemu-img that make a format of ExportImage, nil for formats there are not.
//
// VMDK is made stream-optimised: that is the form other hypervisors import from one file, and qemu-img check can
// judge it. VHD keeps the exact size: without force_size qemu rounds it up to the geometry of old BIOSes, and the
// disk would come back longer than it was.
func qemuArgs(format string) []string {
	switch format {
	case "QCOW2", formatOCI:
		return []string{"-O", "qcow2"}
	case "VMDK":
		return []string{"-O", "vmdk", "-o", "subformat=streamOptimized"}
	case "VHD":
		return []string{"-O", "vpc", "-o", "subformat=dynamic,force_size=on"}
	case "VDI":
		return []string{"-O", "vdi"}
	}
	return nil
}

// errNoQemu is what an export without qemu-img ends with.
var errNoQemu = errors.New("qemu-img is not installed on the simulator's machine; install qemu-utils (apt install qemu-utils)")

// convertDisk writes the raw disk src to dst in an export format. What is at dst after an error is no image; the
// caller removes it. The conversion ends when ctx does.
func convertDisk(ctx context.Context, format, src, dst string, meta imageMetadata) error {
	if format != formatOCI {
		return qemuConvert(ctx, qemuArgs(format), src, dst)
	}
	disk := dst + ".disk"
	defer os.Remove(disk)
	if err := qemuConvert(ctx, qemuArgs(format), src, disk); err != nil {
		return err
	}
	return writeOCIArchive(dst, disk, meta)
}

func qemuConvert(ctx context.Context, args []string, src, dst string) error {
	qemu, err := exec.LookPath("qemu-img")
	if err != nil {
		return errNoQemu
	}
	args = append(append([]string{"convert", "-f", "raw"}, args...), src, dst)
	cmd := exec.CommandContext(ctx, qemu, args...)
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("qemu-img convert: %w: %s", errors.Join(err, ctx.Err()), strings.TrimSpace(stderr.String()))
	}
	return nil
}

// imageMetadata is the file image_metadata.json of the OCI format, which lets an importing tenancy launch the image
// as it was.
type imageMetadata struct {
	Version                int            `json:"version"`
	ExternalLaunchOptions  map[string]any `json:"externalLaunchOptions"`
	ImageCapabilityData    any            `json:"imageCapabilityData"`
	ImageCapsFormatVersion any            `json:"imageCapsFormatVersion"`
	OperatingSystem        string         `json:"operatingSystem"`
	OperatingSystemVersion string         `json:"operatingSystemVersion"`
	AdditionalMetadata     map[string]any `json:"additionalMetadata"`
}

// writeOCIArchive writes the tar that the OCI format is: image_metadata.json and output.QCOW2.
func writeOCIArchive(dst, disk string, meta imageMetadata) (err error) {
	text, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	in, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	files := []struct {
		name string
		size int64
		body io.Reader
	}{{"image_metadata.json", int64(len(text)), bytes.NewReader(text)}, {"output.QCOW2", info.Size(), in}}
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: 0o644, Size: f.size, Format: tar.FormatPAX}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(w, f.body); err != nil {
			return err
		}
	}
	return w.Close()
}
