package ocisim

import (
	"crypto/rsa"
	"slices"
	"strings"
)

// principal is who sent a request.
type principal struct {
	ID   string // OCID of a user, instance or resource; of a workload its service account
	Type string
	// Actor is the instance that a user has delegated to; "" is the principal itself.
	Actor string
}

// signer finds out who signs under a keyId, and the key that the signature must be made with.
func (s *Server) signer(keyID string) (*rsa.PublicKey, principal, error) {
	if key := s.auth.get(keyID); key != nil {
		who := principal{ID: s.state.User, Type: typeUser}
		if parts := strings.Split(keyID, "/"); len(parts) == 3 {
			who.ID = parts[1]
		}
		return key, who, nil
	}
	token, ok := strings.CutPrefix(keyID, "ST$")
	if !ok {
		return nil, principal{}, errNotAuthenticated("unknown keyId")
	}
	c, err := s.openToken(token, usePrincipal)
	if err != nil {
		return nil, principal{}, errNotAuthenticated(err.Error())
	}
	key, err := c.sessionKey()
	if err != nil {
		return nil, principal{}, errNotAuthenticated(err.Error())
	}
	return key, principal{ID: c.Subject, Type: c.Type}, nil
}

// delegate puts the user in place of the instance that acts for it. The token must be signed like the request itself.
func (c *call) delegate(sig *signature) error {
	values := c.r.Header.Values("opc-obo-token")
	if len(values) == 0 {
		return nil
	}
	if !slices.Contains(sig.headers, "opc-obo-token") {
		return errNotAuthenticated("opc-obo-token is not signed")
	}
	if c.who.Type != typeInstance {
		return errNotAuthenticated("only an instance may act for a user")
	}
	user, err := c.s.openToken(strings.Join(values, ", "), useDelegation)
	if err != nil {
		return errNotAuthenticated("opc-obo-token: " + err.Error())
	}
	c.who = principal{ID: user.Subject, Type: user.Type, Actor: c.who.ID}
	return nil
}
