/**
 * What stands in front of a field in protobuf's wire format, for the decoders and encoders that are written by hand: the field's
 * number and how its value is written. Named by both, as `case`s can only be compared with what is known beforehand.
 *
 * Source: protobuf's encoding guide, "Message structure".
 */

/** `N…`: a number (VARINT). */
export const N1 = 0x08;
export const N2 = 0x10;
export const N3 = 0x18;
export const N4 = 0x20;
export const N5 = 0x28;
export const N6 = 0x30;
export const N7 = 0x38;
export const N8 = 0x40;
export const N10 = 0x50;
export const N11 = 0x58;

/** `P…`: a text, or a part with fields of its own (LEN). */
export const P1 = 0x0a;
export const P2 = 0x12;
export const P3 = 0x1a;
export const P4 = 0x22;
export const P5 = 0x2a;
export const P6 = 0x32;
export const P7 = 0x3a;
export const P8 = 0x42;
export const P9 = 0x4a;
export const P10 = 0x52;
export const P12 = 0x62;

/** `F…`: 8 bytes (I64). */
export const F4 = 0x21;
