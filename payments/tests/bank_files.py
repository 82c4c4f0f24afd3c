"""Statements in the shapes of four Dutch banks, made for tests: names of people and numbers are made up."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape

# Ours, as the seller of the factories has it.
OUR_IBAN = "NL91ABNA0417164300"
DAY = date(2026, 11, 20)


@dataclass(frozen=True)
class Move:
    """One movement: euros, with what the customer wrote."""

    euros: str
    text: str = ""
    reference: str = ""
    name: str = "Alfa Logistiek B.V."
    end_to_end: str = "NOTPROVIDED"
    bank_reference: str = ""
    is_return: bool = False


def camt(moves, *, bank="ing", iban=OUR_IBAN, number="1", day=DAY, closing=None, tail=""):
    """A camt.053 of `bank`: ing (version 2), rabobank (2, a transaction each), abnamro (2, text beside), bunq (8)."""
    version = "08" if bank == "bunq" else "02"
    total = sum((Decimal(move.euros) for move in moves), Decimal(0))
    closing = Decimal(1000) + total if closing is None else Decimal(closing)
    entries = "".join(_entry(move, bank, index, day) for index, move in enumerate(moves, 1))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>{bank}-{number}</MsgId><CreDtTm>{day}T18:00:00</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{bank}-{number}</Id><ElctrncSeqNb>{number}</ElctrncSeqNb>"
        f"<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{_balance('OPBD', Decimal(1000), day)}{_balance('CLBD', closing, day)}{entries}</Stmt>"
        f"</BkToCstmrStmt></Document>{tail}"
    ).encode()


def _balance(code, amount, day):
    side = "DBIT" if amount < 0 else "CRDT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{abs(amount):.2f}</Amt>"
        f"<CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def _entry(move, bank, index, day):
    amount, side = abs(Decimal(move.euros)), "DBIT" if move.euros.startswith("-") else "CRDT"
    party = "Cdtr" if side == "DBIT" else "Dbtr"
    name = f"<Pty><Nm>{escape(move.name)}</Nm></Pty>" if bank == "bunq" else f"<Nm>{escape(move.name)}</Nm>"
    status = "<Sts><Cd>BOOK</Cd></Sts>" if bank == "bunq" else "<Sts>BOOK</Sts>"
    remittance = f"<Ustrd>{escape(move.text)}</Ustrd>" if move.text and bank != "abnamro" else ""
    if move.reference:
        remittance += f"<Strd><CdtrRefInf><Ref>{move.reference}</Ref></CdtrRefInf></Strd>"
    remittance = f"<RmtInf>{remittance}</RmtInf>" if remittance else ""
    returned = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>" if move.is_return else ""
    reference = move.bank_reference or f"{bank.upper()}{index:06}"
    amounts = f"<AmtDtls><TxAmt><Amt Ccy='EUR'>{amount:.2f}</Amt></TxAmt></AmtDtls>" if bank == "rabobank" else ""
    beside = (
        f"<AddtlNtryInf>/TRTP/SEPA OVERBOEKING/NAME/{escape(move.name)}/REMI/{escape(move.text)}</AddtlNtryInf>"
        if bank == "abnamro"
        else ""
    )
    return (
        f"<Ntry><NtryRef>{index}</NtryRef><Amt Ccy='EUR'>{amount:.2f}</Amt><CdtDbtInd>{side}</CdtDbtInd>{status}"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{move.end_to_end}</EndToEndId></Refs>{amounts}"
        f"<RltdPties><{party}>{name}</{party}></RltdPties>{remittance}{returned}</TxDtls></NtryDtls>{beside}</Ntry>"
    )


def ing_csv(moves, *, iban=OUR_IBAN, day=DAY):
    head = '"Datum","Naam / Omschrijving","Rekening","Tegenrekening","Code","Af Bij","Bedrag (EUR)",'
    head += '"Mutatiesoort","Mededelingen"'
    rows = [
        f'"{day:%Y%m%d}","{move.name}","{iban}","","GT","{"Af" if move.euros.startswith("-") else "Bij"}",'
        f'"{move.euros.lstrip("-").replace(".", ",")}","Overschrijving","{move.text}"'
        for move in moves
    ]
    return "\r\n".join([head, *rows]).encode("utf-8")


def rabobank_csv(moves, *, iban=OUR_IBAN, day=DAY):
    head = '"IBAN/BBAN","Munt","Volgnr","Datum","Bedrag","Tegenrekening IBAN/BBAN","Naam tegenpartij",'
    head += '"Omschrijving-1","Omschrijving-2","Reden retour"'
    rows = [
        f'"{iban}","EUR","{index:018}","{day}",'
        f'"{"" if move.euros.startswith("-") else "+"}{move.euros.replace(".", ",")}",'
        f'"","{move.name}","{move.text}","","{"AC04" if move.is_return else ""}"'
        for index, move in enumerate(moves, 1)
    ]
    return "\r\n".join([head, *rows]).encode("cp1252")
