package ocisim

import (
	"net/http"
	"net/url"
	"strings"
)

// operation is one call of the API. pattern is a path whose segments may be {name}, or {name...} at the end for the rest of
// the path including slashes. Patterns match the escaped path; the values are unescaped. A slash after the last segment is ignored.
type operation struct {
	name    string // as in the SDK: CreateImage, PutObject
	method  string
	pattern string
	// fn fills in the answer with the methods of call, or returns an error. It runs under s.mu, after authentication.
	// The state is persisted and the answer sent after fn returned nil and s.mu was released.
	fn func(*call) error

	unlocked bool // fn takes s.mu itself
	keeps    bool // fn records what it changes itself: no persist
	data     bool // the body is the bytes of an object: not signed, not read before fn
	public   bool // no signature
	bucket   bool // belongs to object storage, which has its own request ids and headers
}

// router finds the operation of a request. It works on raw paths, because names of objects may hold // and ...
type router struct {
	routes []route
}

type route struct {
	op       operation
	segments []string
}

func newRouter(operations []operation) *router {
	rt := &router{}
	for _, op := range operations {
		rt.routes = append(rt.routes, route{op: op, segments: strings.Split(strings.Trim(op.pattern, "/"), "/")})
	}
	return rt
}

// find returns the operation and the variables of its path. Literal segments win over variables. known tells whether
// another method would have matched.
func (rt *router) find(method string, u *url.URL) (op *operation, vars map[string]string, known bool) {
	path, ok := strings.CutPrefix(u.EscapedPath(), "/")
	if !ok {
		return nil, nil, false
	}
	best := -1
	for i := range rt.routes {
		r := &rt.routes[i]
		v, score, ok := r.match(path)
		if !ok {
			continue
		}
		known = true
		if r.op.method == method && score > best {
			op, vars, best = &r.op, v, score
		}
	}
	return op, vars, known
}

// match compares an escaped path without its first slash; score counts literal segments.
func (r *route) match(path string) (vars map[string]string, score int, ok bool) {
	vars = map[string]string{}
	rest, more := path, true
	for _, seg := range r.segments {
		if !more {
			return nil, 0, false
		}
		if name, ok := strings.CutSuffix(seg, "...}"); ok {
			value, err := url.PathUnescape(rest)
			vars[name[1:]] = value
			return vars, score, err == nil && value != ""
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if seg[0] == '{' {
			value, err := url.PathUnescape(part)
			if err != nil || value == "" {
				return nil, 0, false
			}
			vars[seg[1:len(seg)-1]] = value
			continue
		}
		if part != seg {
			return nil, 0, false
		}
		score++
	}
	return vars, score, rest == ""
}

// serve is the way of every request: route, faults, authentication, handler, answer, log.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, region string) {
	op, vars, known := s.routes.find(r.Method, r.URL)
	c := &call{s: s, w: w, r: r, vars: vars, op: op, region: region, header: http.Header{}}
	if op == nil {
		c.op = &operation{name: "Unknown", bucket: isObjectStorage(r.URL.Path), public: true, keeps: true, fn: func(*call) error {
			if known {
				return fail(405, "MethodNotAllowed", "The method %s is not allowed here.", r.Method)
			}
			return errNotFound()
		}}
	}
	c.requestID = c.newRequestID()
	c.entry = s.log.begin(c, s.clock.Now())
	defer func() {
		s.log.end(c.entry, c.sent, s.clock.Now())
		if c.reset {
			panic(http.ErrAbortHandler) // net/http offers no other way
		}
	}()
	if c.fault = s.faults.pick(c); c.fault != nil {
		s.log.struck(c.entry)
		if !c.applyBefore() {
			return
		}
	}
	err := c.run()
	if err != nil {
		c.fail(asAPIError(err))
	}
	if c.fault != nil && !c.applyAfter() {
		return
	}
	c.send()
}

// run authenticates, calls the handler and persists.
func (c *call) run() error {
	if !c.op.public {
		if err := c.authenticate(); err != nil {
			return err
		}
		if err := c.authorize(); err != nil {
			return err
		}
	}
	if c.op.unlocked {
		return c.op.fn(c)
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fail(503, "ServiceUnavailable", "The simulator is closed.")
	}
	if err := c.op.fn(c); err != nil {
		return err
	}
	if c.op.keeps || c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return nil
	}
	return s.persist()
}

// isObjectStorage tells by the path whether a request is meant for object storage.
func isObjectStorage(path string) bool {
	return path == "/n" || strings.HasPrefix(path, "/n/") || strings.HasPrefix(path, "/p/") || path == "/workRequests" || strings.HasPrefix(path, "/workRequests/")
}
