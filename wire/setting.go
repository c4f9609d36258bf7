package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Setting is one value in a document such as a Trial.
type Setting struct {
	Name  string // the path to the value, such as hyperparameters.learningRate
	Text  string // the value as JSON has it, without quotation marks; a list is one value
	Value any    // a string, float64, bool, nil or []any: use Text to show the last two
}

// Flatten returns all values in a document, in the document's order. The values of an object within the document are
// separate Settings, each named by its path.
func Flatten(document any) ([]Setting, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return appendSettings(nil, "", text)
}

// appendSettings appends the values in a JSON object to to. prefix is the path to the object, with a dot at its end.
func appendSettings(to []Setting, prefix string, text []byte) ([]Setting, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil { // the opening brace
		return nil, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		s := Setting{Name: fmt.Sprint(prefix, key), Text: string(raw)}
		if raw[0] == '{' {
			if to, err = appendSettings(to, s.Name+".", raw); err != nil {
				return nil, err
			}
			continue
		}
		if err := json.Unmarshal(raw, &s.Value); err != nil {
			return nil, err
		}
		if words, ok := s.Value.(string); ok {
			s.Text = words
		}
		to = append(to, s)
	}
	return to, nil
}
