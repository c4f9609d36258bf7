package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends data to to as a TFRecord: the length of data in 8 bytes, the checksum of these in 4, data, and
// the checksum of data in 4, all little-endian. A reader that finds an incomplete record waits for the rest, so that
// the file of a killed pod stays readable.
func appendRecord(to, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	to = append(to, length...)
	to = binary.LittleEndian.AppendUint32(to, masked(length))
	to = append(to, data...)
	return binary.LittleEndian.AppendUint32(to, masked(data))
}

// masked returns the CRC-32C of data, rotated and shifted as the TFRecord format requires: the plain CRC of data that
// contains CRCs would detect few errors.
func masked(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}
