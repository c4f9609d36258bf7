package tensorboard

import (
	"encoding/binary"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The functions in this file write fields in the order of their numbers and leave out fields that are zero, as
// generated encoders do.

// fileVersion is the version of the format of an event file, which the file's first event states.
const fileVersion = "brain.Event:2"

// Numbers of TensorFlow's types, from types.proto.
const (
	typeFloat  = 1
	typeString = 7
)

// dataClass is how TensorBoard stores a plug-in's values.
type dataClass uint64

// Values of TensorFlow's enum DataClass, from summary.proto.
const (
	classScalar dataClass = 1
	classTensor dataClass = 2
	classBlobs  dataClass = 3
)

// value is one Summary.Value: the value of a tag at a step.
type value struct {
	tag      string
	plugin   string
	content  []byte // the plug-in's own message
	class    dataClass
	about    string // the tag's description in Markdown
	scalar   float32
	tensor   []byte // a TensorProto; if it is nil, the value is scalar
	nickname string // TensorBoard shows it instead of the tag
}

// encodeVersion encodes the first Event of a file.
func encodeVersion(at time.Time) []byte {
	return appendString(appendDouble(nil, 1, seconds(at)), 3, fileVersion)
}

// encodeEvent encodes an Event with the values of one step.
func encodeEvent(at time.Time, step int, values []value) []byte {
	e := appendVarint(appendDouble(nil, 1, seconds(at)), 2, uint64(step))
	var summary []byte
	for _, v := range values {
		summary = appendBytes(summary, 1, v.encode())
	}
	return appendBytes(e, 5, summary)
}

func (v value) encode() []byte {
	b := appendString(nil, 1, v.tag)
	if v.tensor == nil {
		// A scalar of 0 is written as well: it is a value.
		b = protowire.AppendFixed32(protowire.AppendTag(b, 2, protowire.Fixed32Type), math.Float32bits(v.scalar))
	} else {
		b = appendBytes(b, 8, v.tensor)
	}
	plugin := appendString(nil, 1, v.plugin)
	if len(v.content) > 0 {
		plugin = appendBytes(plugin, 2, v.content)
	}
	metadata := appendBytes(nil, 1, plugin)
	metadata = appendString(metadata, 2, v.nickname)
	metadata = appendString(metadata, 3, v.about)
	return appendBytes(b, 9, appendVarint(metadata, 4, uint64(v.class)))
}

// encodeFloats encodes a TensorProto of float32 with this shape.
func encodeFloats(values []float32, shape ...int) []byte {
	content := make([]byte, 0, 4*len(values))
	for _, v := range values {
		content = binary.LittleEndian.AppendUint32(content, math.Float32bits(v))
	}
	t := appendBytes(appendVarint(nil, 1, typeFloat), 2, encodeShape(shape))
	if len(content) > 0 {
		t = appendBytes(t, 4, content)
	}
	return t
}

// encodeStrings encodes a TensorProto with one dimension of strings.
func encodeStrings(values ...[]byte) []byte {
	return appendStrings(appendBytes(appendVarint(nil, 1, typeString), 2, encodeShape([]int{len(values)})), values)
}

// encodeText encodes a TensorProto with a single string and no dimension.
func encodeText(s string) []byte {
	return appendStrings(appendBytes(appendVarint(nil, 1, typeString), 2, nil), [][]byte{[]byte(s)})
}

func appendStrings(t []byte, values [][]byte) []byte {
	for _, v := range values {
		t = appendBytes(t, 8, v)
	}
	return t
}

// encodeShape encodes a TensorShapeProto.
func encodeShape(shape []int) (b []byte) {
	for _, size := range shape {
		b = appendBytes(b, 2, appendVarint(nil, 1, uint64(size)))
	}
	return b
}

// seconds returns the time in seconds since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendDouble(b []byte, field protowire.Number, v float64) []byte {
	if v == 0 {
		return b
	}
	return appendFixed(b, field, v)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// appendFixed and appendFlag write a zero as well: in a oneof, the field that is present gives the type.
func appendFixed(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}

func appendFlag(b []byte, field protowire.Number, v bool) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), protowire.EncodeBool(v))
}

// appendBytes writes an empty message or element as well: its presence has a meaning.
func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}
