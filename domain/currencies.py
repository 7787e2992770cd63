"""Currencies: ISO 4217 codes and the number of decimal digits of their minor units.

Codes without a country (funds, metals, testing) and currencies that are no longer legal tender are left out.
"""

from typing import Final

_WITHOUT_MINOR_UNIT = """
    BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF
    """
_IN_HUNDREDTHS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
    COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
    IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR
    MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG
    SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES
    WST XAD XCD XCG YER ZAR ZMW ZWG
    """
_IN_THOUSANDTHS = """
    BHD IQD JOD KWD LYD OMR TND
    """

MINOR_DIGITS: Final = {
    code: digits
    for digits, codes in ((0, _WITHOUT_MINOR_UNIT), (2, _IN_HUNDREDTHS), (3, _IN_THOUSANDTHS))
    for code in codes.split()
}
"""The number of decimal digits of each currency's minor unit."""


def is_currency(code: str) -> bool:
    """Returns whether a code is an ISO 4217 currency."""
    return code in MINOR_DIGITS


def amount_in_words(minor: int, code: str) -> str:
    """Returns an amount in major units with its currency, such as "1250.00 EUR"."""
    digits = MINOR_DIGITS.get(code, 0)
    whole, rest = divmod(abs(minor), 10**digits)
    fraction = f".{rest:0{digits}}" if digits else ""
    return f"{'-' if minor < 0 else ''}{whole}{fraction} {code}".rstrip()
