package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord frames data as a TFRecord: its length in 8 bytes, their checksum in 4, data, its checksum in 4, all little-endian.
// A reader that finds a record cut short waits for the rest, so what a killed pod leaves behind stays readable.
func appendRecord(to, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	to = append(to, length...)
	to = binary.LittleEndian.AppendUint32(to, masked(length))
	to = append(to, data...)
	return binary.LittleEndian.AppendUint32(to, masked(data))
}

// masked is CRC-32C, turned and shifted as TFRecord wants it: the checksum of data that holds checksums would tell little.
func masked(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
