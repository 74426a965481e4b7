package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"
)

// Schema returns the JSON Schema (draft 2020-12) of the manifest, made from the same description that Parse reads with.
// It knows everything but what spans entries: references, cycles, variables, duplicates and limits of size.
func Schema() []byte {
	s := manifestForm().schema.with(func(s *schema) {
		s.Schema = "https://json-schema.org/draft/2020-12/schema"
		s.Title = "hyperexport manifest, version 1"
	})
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic(fmt.Sprintf("encode the schema: %v", err)) // it is made of strings and numbers only
	}
	return out.Bytes()
}

// schema is the part of JSON Schema that manifests need, in the order it is written.
type schema struct {
	Schema               string     `json:"$schema,omitempty"`
	Title                string     `json:"title,omitempty"`
	Description          string     `json:"description,omitempty"`
	Default              any        `json:"default,omitempty"`
	Type                 any        `json:"type,omitempty"` // a string or several
	Const                any        `json:"const,omitempty"`
	Enum                 []string   `json:"enum,omitempty"`
	Pattern              string     `json:"pattern,omitempty"`
	MinLength            int        `json:"minLength,omitempty"`
	Minimum              *int       `json:"minimum,omitempty"`
	Maximum              *int       `json:"maximum,omitempty"`
	Items                *schema    `json:"items,omitempty"`
	MinItems             int        `json:"minItems,omitempty"`
	UniqueItems          bool       `json:"uniqueItems,omitempty"`
	Required             []string   `json:"required,omitempty"`
	MinProperties        int        `json:"minProperties,omitempty"`
	MaxProperties        int        `json:"maxProperties,omitempty"`
	PropertyNames        *schema    `json:"propertyNames,omitempty"`
	Properties           properties `json:"properties,omitempty"`
	PatternProperties    properties `json:"patternProperties,omitempty"`
	AdditionalProperties any        `json:"additionalProperties,omitempty"` // a *schema, or never
	AnyOf                []*schema  `json:"anyOf,omitempty"`
	OneOf                []*schema  `json:"oneOf,omitempty"`
	Not                  *schema    `json:"not,omitempty"`
	If                   *schema    `json:"if,omitempty"`
	Then                 *schema    `json:"then,omitempty"`
	Else                 *schema    `json:"else,omitempty"`
}

// never is the schema that nothing satisfies.
const never = false

// with returns a changed copy.
func (s *schema) with(change func(s *schema)) *schema {
	c := *s
	change(&c)
	return &c
}

// properties keep their order, which is that of the documentation.
type properties []property

type property struct {
	key    string
	schema *schema
}

// MarshalJSON writes the properties as an object in their order.
func (p properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	out.WriteByte('{')
	for i, one := range p {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := e.Encode(one.key); err != nil {
			return nil, err
		}
		out.WriteByte(':')
		if err := e.Encode(one.schema); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// plain is the scalar n as JSON has it.
func plain(n *yaml.Node) any {
	var v any
	if err := n.Decode(&v); err != nil {
		return n.Value
	}
	return v
}
