package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// metadataService is where a machine in AWS asks who it is. No packet to this address leaves the host.
const metadataService = "http://169.254.169.254"

// metadataWithin bounds each of the three requests: a machine elsewhere gets no answer at all.
const metadataWithin = 2 * time.Second

// metadataTransport takes no proxy: the service is the machine's own.
func metadataTransport() *http.Transport {
	return &http.Transport{DialContext: (&net.Dialer{Timeout: metadataWithin}).DialContext, DisableKeepAlives: true}
}

// instanceRole gets the keys of the role that a machine has.
type instanceRole struct {
	base   string
	client *http.Client
}

// keys asks in the way that needs a token (IMDSv2), which every machine understands and some demand.
func (r instanceRole) keys(ctx context.Context) (keys, error) {
	token, err := r.ask(ctx, http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "21600")
	if err != nil {
		return keys{}, notOnMachine(ctx, err)
	}
	const roles = "/latest/meta-data/iam/security-credentials/"
	name, err := r.ask(ctx, http.MethodGet, roles, "X-aws-ec2-metadata-token", token)
	if err != nil {
		return keys{}, notOnMachine(ctx, err)
	}
	name, _, _ = strings.Cut(strings.TrimSpace(name), "\n")
	text, err := r.ask(ctx, http.MethodGet, roles+name, "X-aws-ec2-metadata-token", token)
	if err != nil {
		return keys{}, notOnMachine(ctx, err)
	}
	var answer struct {
		Code, AccessKeyID, SecretAccessKey, Token string
		Expiration                                time.Time
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.AccessKeyID == "" || answer.SecretAccessKey == "" {
		return keys{}, fmt.Errorf("the metadata service of this machine gives no keys for its role %q", clip(name))
	}
	return keys{access: answer.AccessKeyID, secret: answer.SecretAccessKey, token: answer.Token, expires: answer.Expiration}, nil
}

// notOnMachine says what a silent metadata service means. The end of the caller's context stays what it is.
func notOnMachine(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w (this machine has no role either: %w)", errNoKeys, err)
}

func (r instanceRole) ask(ctx context.Context, method, path, header, value string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set(header, value)
	resp, err := r.client.Do(req)
	if err != nil {
		return "", errors.New("its metadata service does not answer")
	}
	defer resp.Body.Close()
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("its metadata service answers %s", resp.Status)
	}
	return string(text), nil
}
