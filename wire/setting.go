package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Setting is a value in a document such as a Trial, under the name that people know it by.
type Setting struct {
	Name  string // the path to it, such as hyperparameters.learningRate
	Text  string // as JSON has it, without quotation marks; a list is one value
	Value any    // string, float64 or bool; anything else is best shown as text
}

// Settings lists the values in a document, in its order.
func Settings(document any) ([]Setting, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return appendSettings(nil, "", text)
}

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
