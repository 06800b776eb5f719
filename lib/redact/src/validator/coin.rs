//! Addresses of cryptocurrencies: Base58Check, Bech32 and Bech32m, and Ethereum's. It refuses what only has the shape.

use sha2::{Digest, Sha256};

const BITCOIN: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const RIPPLE: &[u8] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";
const CHECK_BYTES: usize = 4;

pub(super) fn base58check(text: &[u8]) -> bool {
    is_checked(text, BITCOIN)
}

pub(super) fn ripple(text: &[u8]) -> bool {
    is_checked(text, RIPPLE)
}

fn is_checked(text: &[u8], alphabet: &[u8]) -> bool {
    let Some(bytes) = base58(text, alphabet).filter(|bytes| bytes.len() > CHECK_BYTES) else { return false };
    let (payload, check) = bytes.split_at(bytes.len() - CHECK_BYTES);
    Sha256::digest(Sha256::digest(payload))[..CHECK_BYTES] == *check
}

fn base58(text: &[u8], alphabet: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for letter in text {
        let mut carry = alphabet.iter().position(|other| other == letter)? as u32;
        for byte in bytes.iter_mut() {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(carry as u8);
            carry >>= 8;
        }
    }
    let zeros = text.iter().take_while(|letter| **letter == alphabet[0]).count();
    bytes.resize(bytes.len() + zeros, 0);
    bytes.reverse();
    Some(bytes)
}

/// BIP 173 and 350.
pub(super) fn bech32(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const ENDS: [u32; 2] = [1, 0x2bc8_30a3];
    let lower = text.to_ascii_lowercase();
    if lower != text && text.to_ascii_uppercase() != text {
        return false;
    }
    let Some(separator) = lower.iter().rposition(|byte| *byte == b'1') else { return false };
    let (prefix, data) = (&lower[..separator], &lower[separator + 1..]);
    let expanded = prefix.iter().map(|byte| byte >> 5).chain([0]).chain(prefix.iter().map(|byte| byte & 31));
    let values = data.iter().map(|byte| ALPHABET.iter().position(|other| other == byte).map(|value| value as u8));
    let Some(values) = values.collect::<Option<Vec<_>>>().filter(|values| values.len() >= 6) else { return false };
    ENDS.contains(&expanded.chain(values).fold(1, polymod))
}

fn polymod(check: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = check >> 25;
    let shifted = (check & 0x1ff_ffff) << 5 ^ u32::from(value);
    GENERATOR
        .iter()
        .enumerate()
        .fold(shifted, |check, (bit, term)| if top >> bit & 1 == 1 { check ^ term } else { check })
}

/// Forty hexadecimal digits that are not all the same. The check in the letters' case is of a hash that is not here.
pub(super) fn ethereum(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"0x").unwrap_or_default();
    digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit) && super::entropy(digits) > 2.0
}
